"""The versions of packages as a stage's `python` finds them. The engine itself has no packages."""

from __future__ import annotations

import shutil
import subprocess
from functools import cached_property

from utils.loaded import PACKAGES
from utils.setup.environment import installed


class Versions:
    """Looks once, when first asked."""

    @cached_property
    def now(self) -> dict[str, str]:
        """Package -> version, of those that may make results; empty without an environment."""
        python = shutil.which("python")
        if python is None:
            return {}
        try:
            told = subprocess.run([python, "-c", "import sys; print('\\0'.join(sys.path))"], capture_output=True,
                                  check=True, timeout=30).stdout.decode("utf-8", "surrogateescape")
        except (OSError, subprocess.SubprocessError):
            return {}
        found = installed(path for path in told.rstrip("\n").split("\0") if path)
        return {name: found[name] for name in sorted(PACKAGES.values()) if name in found}

    def changed(self, recorded: dict[str, str]) -> list[str]:
        """What of the recorded versions is another one now: "opensmile 2.6.0 (now 2.6.9)"."""
        if not recorded or not self.now:
            return []
        return [f"{name} {version} (now {self.now.get(name, 'none')})" for name, version in sorted(recorded.items())
                if self.now.get(name) != version]
