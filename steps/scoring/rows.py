"""One builder for every row of results; steps/scoring/results.py says what the keys mean."""

from __future__ import annotations

import functools
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from utils.files import ROOT

if TYPE_CHECKING:
    from steps.data.dataset import Dataset
    from steps.data.splits import Split
    from steps.scoring.summary import Summary
    from utils.corpus import Target

Row = dict[str, Any]


def result_row(*, corpus: str, protocol: str, target: str, system: tuple[str, str], part: str,
               found: Summary | Mapping[str, Any], folds: Sequence[int], seeds: Sequence[int],
               items: int, marks: Sequence[str], command: str, of: str = "utterance",
               classes: Sequence[str] = (), text_source: str | None = None, primary: bool = False,
               **more: Any) -> Row:
    """A row.

    Args:
        system: subsystem and variant.
        found: what was counted; or the figures that follow from it, with "summary".
        more: keys that only some rows have; None and "" are left out.
    """
    from steps.scoring.summary import Summary, figures

    if isinstance(found, Summary):
        speakers = found.known_speakers
        found = {**figures(found), "summary": found.to_json()}
    else:
        speakers = found["summary"]["speakers"]
    return {
        "corpus": corpus, "protocol": protocol, "target": target, "subsystem": system[0],
        "variant": system[1], "part": part, "text_source": text_source,
        **{name: value for name, value in more.items() if value not in (None, "")},
        "of": of, "classes": list(classes), "folds": list(folds), "seeds": list(seeds),
        "items": items, "speakers": speakers, "marks": list(marks), "primary": primary,
        "best_on_dev": False, "commit": commit(), "command": command, **found}


def data_marks(data: Dataset, split: Split, target: Target | None = None) -> list[str]:
    """The marks that every figure on a data set has, and those of a target."""
    from steps.data.confounds import confound_marks
    from steps.data.recordings import shared_recordings
    from steps.data.split_checks import shares_test_speakers

    info, marks = data.info, []
    if info.get("synthetic"):
        marks.append("synthetic")
    if info.get("size", "full") != "full":
        marks.append(f"size {info['size']}")
    if info.get("missing"):
        marks.append("partial corpus")
    if info.get("dropped"):
        marks.append(f"{len(info['dropped'])} duplicates left out")
    if info.get("merged"):
        marks.append(f"{len(info['merged'])} speakers merged")
    if split.info.get("random"):
        marks.append("random folds")
    if split.context:
        marks.append("context across parts")
    if shared := shared_recordings(split, data.items):
        marks.append(f"{len(shared)} test utterances share a recording with train or dev")
    if unknown := unknown_speakers(data, split):
        marks.append(unknown)
    if split.speaker_overlap:
        marks.append("speaker overlap" if shares_test_speakers(split, data.items) else "dev has train's speakers")
    return marks + (confound_marks(data, split, target) if target is not None else [])


def unknown_speakers(data: Dataset, split: Split) -> str:
    """"speakers unknown", with numbers where some are known; "" where all are."""
    keys = {key for fold in split.folds for ids in split.parts[fold].values() for key in ids}
    lost = sum(data.items[key].speaker is None for key in keys)
    return "" if not lost else "speakers unknown" + (f": {lost} of {len(keys)} utterances" if lost < len(keys) else "")


@functools.cache
def commit() -> str:
    """Short hash of the checkout, with "+" where code or configuration differ from it; "" outside git.

    Git is asked once, not for every row.
    """
    def git(*words: str) -> str:
        done = subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, text=True, check=False)
        return done.stdout.strip() if done.returncode == 0 else ""

    try:
        head = git("rev-parse", "--short=10", "HEAD")
        changed = git("status", "--porcelain", "--untracked-files=no", "--", ".", ":!*.md", ":!*RESULTS.json")
    except OSError:
        return ""
    return head + ("+" if head and changed else "")


def recipe_command(data: Dataset, *options: str) -> list[str]:
    """The words of the command that runs the recipe with these options on a corpus of this size."""
    recipe = Path(os.environ.get("EMOTION_RECIPE") or Path.cwd()).resolve()
    name = str(recipe.relative_to(ROOT)) if recipe.is_relative_to(ROOT) else recipe.name
    size = ["--size", str(data.info["size"])] if data.info.get("size", "full") != "full" else []
    mended = [word for key, option in (("dropped", "--drop-duplicates"), ("merged", "--merge-speakers"))
              if key in data.info for word in (option, "true")]
    return [f"{name}/run.sh", *options, *size, *mended]
