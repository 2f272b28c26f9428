"""Say in one line why pip failed, from what it printed."""

from __future__ import annotations

import re

_NETWORK = re.compile(r"Name or service not known|Temporary failure in name resolution|Failed to establish a new "
                      r"connection|Failed to resolve|Network is unreachable|Connection refused|Max retries exceeded|"
                      r"Read timed out|ConnectTimeout|CERTIFICATE_VERIFY_FAILED|Connection to \S+ timed out|"
                      r"Cannot connect to proxy|Connection reset")


def why_pip_failed(log: str) -> str:
    """One line: which package and why.

    Args:
        log: standard output and standard error of pip together.
    """
    network = _NETWORK.search(log)
    if re.search(r"No space left on device|Disk quota exceeded", log):
        doing = _last(r"(?:Installing collected packages: |Downloading |Collecting )(\S+)", log)
        return f"no space left on the disk while installing {doing or 'the packages'}"
    if match := re.search(r"Permission denied: '([^']+)'", log):
        return f"may not write {match[1]}"
    if "THESE PACKAGES DO NOT MATCH THE HASHES" in log:
        package = _last(r"Collecting (\S+)", log) or "a package"
        return f"{package} was damaged on its way (its hash differs)"
    if match := re.search(r"No matching distribution found for ([^\n]+)", log):
        package = match[1].strip()
        if network:
            return f"{package}: the package index cannot be reached ({network[0]}); check network, proxy or pip.conf"
        versions = re.search(r"from versions: ([^)]*)\)", log)
        known = versions[1].split(", ") if versions else []
        there = "none at all" if known in ([], ["none"]) else ", ".join(known[-5:])
        return f"{package}: no such version for this Python and platform (there is: {there})"
    if match := re.search(r"Package '([^']+)' requires a different Python: (\S+) not in '([^']+)'", log):
        return f"{match[1]}: needs Python {match[3]}, this is {match[2]}"
    if match := re.search(r"Cannot install (.+?) because these package versions have conflicting dependencies", log):
        return f"these versions exclude each other: {match[1]}"
    built = re.search(r"(?:Failed to build|Could not build wheels for|Failed building wheel for|Failed to build "
                      r"installable wheels for [^(\n]*\()\s*'?([\w.-]+)", log)
    if built:
        cause = _last(r"^\s*(?:\S+: )?(?:fatal )?\w*[eE]rror: ?([^\n]+)", log)
        return f"{built[1]}: there is no wheel for this Python and platform, and building it from source failed" \
               + (f" ({cause})" if cause else "")
    if network:
        doing = _last(r"Collecting (\S+)", log)
        return f"{doing or 'pip'}: the package index cannot be reached ({network[0]}); check network, proxy or pip.conf"
    return _last(r"^ERROR: ([^\n]+)", log) or _last(r"^([^\n]*\S[^\n]*)$", log) or "pip said nothing"


def _last(pattern: str, text: str) -> str | None:
    found = re.findall(pattern, text, flags=re.MULTILINE)
    return found[-1].strip() if found else None
