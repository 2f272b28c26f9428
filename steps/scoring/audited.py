"""What scoring, the report and an exported model must say of the leak audit: that it failed, or that there was none.

steps/audit_leaks.sh writes EXP/audit/<protocol>.json. It counts only for what it was made of: its `of` holds digests
of the utterances, the split and whatever was trained elsewhere; where they are others now, results are "not audited".
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from utils.files import read_json

if TYPE_CHECKING:
    from steps.data.dataset import Dataset

NOT_AUDITED = "not audited"
SHOWN = 3  # reasons in the mark of a failed audit
SHAPE = {"corpus": str, "protocol": str, "passed": bool, "overlaps": list, "components": list, "permuted": list,
         "leaks": list, "of": dict}
ENTRY = {"kind", "with", "verdict", "shared", "affected", "tested", "examples"}
PERMUTED = {"system", "chance", "low", "high", "rule", "passed"}


def audit_of(exp: Path, protocol: str) -> Path:
    return exp / "audit" / f"{protocol}.json"


def read_audit(path: Path) -> dict[str, Any] | None:
    """The audit; None where the file is missing, damaged or of another shape."""
    try:
        found = read_json(path)
    except (OSError, ValueError):
        return None
    if not isinstance(found, dict) or any(not isinstance(found.get(key), kind) for key, kind in SHAPE.items()):
        return None
    needed = [*((entry, ENTRY) for entry in (*found["overlaps"], *found["components"])),
              *((entry, PERMUTED) for entry in found["permuted"])]
    return found if all(isinstance(entry, dict) and keys <= entry.keys() for entry, keys in needed) else None


def identity(data: Dataset, protocol: str) -> dict[str, str]:
    """{what an audit looks at: digest} of a data set and a protocol."""
    from steps.data.dataset import CUTS
    from steps.data.splits import SPLITS

    return {"utterances": digest(data.path / CUTS), "split": digest(data.path / SPLITS / f"{protocol}.tsv"),
            "sound": digest(data.path / "audio_hashes.tsv") + digest(data.path / "fingerprints.npz")}


def origins(data: Dataset, about: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """{what was trained elsewhere: digest}: features of subsystems, and what they start from (subsystem.json)."""
    found = {}
    for told in about:
        features = str(told.get("features"))
        record = data.path / features / "trained_on.json"
        if record.is_file():
            found[f"features {features}"] = digest(record)
        if told.get("init"):
            found[f"start of {told['subsystem']}"] = _digest(json.dumps(told["init"], sort_keys=True).encode())
    return found


def digest(path: Path) -> str:
    """Of a file; "" where there is none."""
    try:
        return _digest(path.read_bytes())
    except OSError:
        return ""


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


class Audit:
    """The audit of a protocol, held against what is there now.

    Args:
        about: subsystem -> subsystem.json, of all that are scored; a fusion is audited where its members are.
    """

    def __init__(self, exp: Path, data: Dataset, protocol: str, about: Mapping[str, Mapping[str, Any]]):
        self.path = audit_of(exp, protocol)
        self.found = read_audit(self.path)
        self._data, self._now = data, identity(data, protocol)
        self._about = {name: {"subsystem": name, **told} for name, told in about.items()}

    def doubt(self, subsystem: str, variant: str = "") -> str:
        """Why the audit says nothing of a system; "" where it does."""
        if self.found is None:
            return f"{self.path} {'is damaged' if self.path.exists() else 'is missing'}"
        about = self._about.get(subsystem, {"subsystem": subsystem})
        members = [name for name, _ in (about.get("fuses") or {}).get(variant, ())]
        now = self._now | origins(self._data, [about, *(self._about[name] for name in members if name in self._about)])
        other = [what for what, value in now.items() if self.found["of"].get(what) != value]
        return f"{self.path} was made of other {' and '.join(other)}" if other else ""

    def marks(self, subsystem: str, variant: str = "") -> list[str]:
        """[] where an audit passed."""
        if self.doubt(subsystem, variant):
            return [NOT_AUDITED]
        assert self.found is not None
        return failure_marks(self.found)


def failure_marks(audit: Mapping[str, Any]) -> list[str]:
    """["audit failed: ..."] with what is shared; [] of an audit that passed."""
    if audit["passed"]:
        return []
    reasons = [f"{entry['kind']} shared with {entry['with']}" for entry in audit["overlaps"]
               if entry["verdict"] == "leak"]
    reasons += [f"{entry.get('component') or 'a component'} knows {entry['kind']}s of {entry['with']}"
                for entry in audit["components"] if entry["verdict"] == "leak"]
    if not all(entry["passed"] for entry in audit["permuted"]):
        reasons.append("permuted labels above chance")
    reasons = list(dict.fromkeys(reasons))
    more = [f"{len(reasons) - SHOWN} more"] if len(reasons) > SHOWN else []
    return ["audit failed: " + "; ".join([*reasons[:SHOWN], *more] or ["see its report"])]
