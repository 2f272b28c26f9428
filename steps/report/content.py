"""What the report shows, gathered from the data set, the scores, the experiments and the audit. Nothing is drawn here.

Files of other stages are read with care: what is missing or of another shape is left out, never an error.
"""

from __future__ import annotations

import base64
import os
import platform
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from steps.data.dataset import Dataset, Item
from steps.data.dataset import Sequence as Track
from steps.data.splits import Split
from steps.report.track_curves import Curve, chosen
from steps.scoring import collect, results
from steps.scoring.audited import audit_of, read_audit
from steps.scoring.scores import Predictions
from steps.scoring.summary import compare
from utils.errors import UserError, reading
from utils.files import read_json

PACKAGES = ("torch", "numpy", "scikit-learn", "lhotse", "opensmile", "kaldi-native-fbank", "soundfile", "av",
            "safetensors")
AGAIN = "run the stage that writes it again"
TYPES = {".wav": "audio/wav", ".flac": "audio/flac", ".opus": "audio/ogg", ".ogg": "audio/ogg", ".mp3": "audio/mpeg",
         ".m4a": "audio/mp4", ".mp4": "audio/mp4", ".aac": "audio/aac", ".webm": "audio/webm"}
MOST_SPEAKERS_FOR_ALL_PAIRS = 32  # exact tests take milliseconds up to here
EMBED_LIMIT = 2_000_000  # bytes of one embedded recording


@dataclass
class Content:
    """All that `page.render` needs.

    Attributes:
        info: validation.json. audit: exp/audit/<protocol>.json. test: rows of this run's test parts.
        cross: those of pairs of corpora (steps/scoring/cross_corpus.py), others: those of further targets, by target;
            neither are in `test`.
        paired: names of systems, and {(i, j): {metric: test}}.
        curves: (name, columns, epochs (E,), values (runs, E, columns)).
        fusions: exp/fusion/<protocol>.json, then <protocol>.<target>.json of further targets.
        tracks: curves of label and prediction. places: where the JSON files lie, by section.
    """

    data: Dataset
    split: Split
    info: dict[str, Any]
    audit: dict[str, Any]
    test: list[dict[str, Any]]
    results: str
    robustness: dict[str, Any] = field(default_factory=dict)
    cross: list[dict[str, Any]] = field(default_factory=list)
    others: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    paired: tuple[list[str], dict[tuple[int, int], Any]] = field(default_factory=lambda: ([], {}))
    curves: list[tuple[str, list[str], np.ndarray, np.ndarray]] = field(default_factory=list)
    fusions: list[dict[str, Any]] = field(default_factory=list)
    errors: list[dict[str, Any]] = field(default_factory=list)
    tracks: list[Curve] = field(default_factory=list)
    trainings: list[dict[str, str]] = field(default_factory=list)
    configurations: list[tuple[str, str]] = field(default_factory=list)
    environment: list[tuple[str, str]] = field(default_factory=list)
    places: dict[str, Path] = field(default_factory=dict)

    def read_for(self, section: str) -> Path:
        """The file that a section (of SECTIONS) shows, for a message: by default the scored rows."""
        return self.places.get(section, self.places.get("results", Path(self.results)))

    @property
    def corpus(self) -> str:
        return self.data.name

    @property
    def protocol(self) -> str:
        return self.split.name

    @property
    def best(self) -> dict[str, Any] | None:
        return next((row for row in self.test if row.get("primary")),
                    next((row for row in self.test if row["best_on_dev"]), self.test[0] if self.test else None))

    @property
    def commit(self) -> str:
        return next((row["commit"] for row in [*self.test, *self.cross] if row["commit"]), "")

    @property
    def source(self) -> str:
        source = str(self.data.info.get("source") or "")
        return f"Corpus: {source}" if source else ""

    @property
    def about_data(self) -> str:
        info = self.data.info
        words = [f"Language: {info['language']}." if info.get("language") else "",
                 *(f"{target.name}: one {target.kind} per {target.of}." for target in self.data.targets),
                 "Converted to mono at 16 kHz: " + ", ".join(f"{count} {name}" for name, count in
                                                             (info.get("converted") or {}).items()) + "."
                 if info.get("converted") else ""]
        return " ".join(word for word in words if word)


def gather(data: Dataset, split: Split, exp: Path, stem: Path, page: Path, worst: int, embed: int,
           leave_out: Sequence[str] = ()) -> Content:
    """Read everything.

    Args:
        stem: of RESULTS.json. page: where the page will lie; players point from there.
        worst: how many errors are listed. embed: how many of their recordings go into the page itself.
        leave_out: subsystems that are not looked at.

    Raises:
        UserError: the protocol is not scored.
    """
    places = {"data": data.path / "validation.json", **{
        section: exp / name / f"{split.name}.json"
        for section, name in (("results", "scored"), ("audit", "audit"), ("noise", "robustness"),
                              ("fusion", "fusion"))}}
    scored = places["results"]
    if not scored.is_file():
        raise UserError(f"{scored} does not exist; run steps/score.sh first")
    tested = [row for row in read_json(scored, {"rows": [results.ROW]}, AGAIN)["rows"] if row["part"] == "test"]
    target = data.target()
    rows = [row for row in tested if not row.get("train_corpus") and row["target"] == target.name]
    content = Content(data, split, optional(places["data"]),
                      read_audit(audit_of(exp, split.name)) or {}, rows, stem.name + ".json", places=places)
    content.cross = [row for row in tested if row.get("train_corpus")]
    others = [row for row in tested if not row.get("train_corpus") and row["target"] != target.name]
    content.others = {name: [row for row in others if row["target"] == name]
                      for name in dict.fromkeys(row["target"] for row in others)}
    systems = {system.name: system for system in collect.find_systems(exp, split.name, leave_out=leave_out)}
    content.robustness = optional(places["noise"])
    with reading(scored, AGAIN):
        content.paired = all_pairs(rows)
    content.fusions = fusions_of(places["fusion"], data)
    content.curves = [entry for system in systems.values() for entry in [learning(system)] if entry]
    best = content.best
    if best is not None and target.kind == "class" and name_of(best) in systems:
        content.errors = [described(error, data, page, number < embed) for number, error in enumerate(
            collect.errors(data, split, systems[name_of(best)], target, worst))]
    content.tracks = [curve for name in dict.fromkeys(row["target"] for row in tested if not row.get("train_corpus"))
                      for curve in tracks(data, split, systems, [row for row in tested if row["target"] == name])]
    content.trainings = [training(system, data) for system in systems.values()]
    content.configurations = [(system.name, config_of(system)) for system in systems.values() if config_of(system)]
    content.environment = environment(content.commit, sorted({row["command"] for row in tested if row.get("command")}))
    return content


def fusions_of(place: Path, data: Dataset) -> list[dict[str, Any]]:
    """The accounts of all targets; one of an earlier version is of the first, by MAF."""
    further = [place.with_name(f"{place.stem}.{target.name}.json") for target in data.targets]
    return [{"target": data.target().name, "metric": "MAF", **found} for path in (place, *further)
            if (found := optional(path))]


def tracks(data: Dataset, split: Split, systems: Mapping[str, collect.System],
           rows: Sequence[dict[str, Any]]) -> list[Curve]:
    """Curves of the leading system among the rows of one target; [] where it is no track."""
    target = data.target(rows[0]["target"])
    leading = next((row for row in results.ordered(results.leading(rows) or rows) if name_of(row) in systems), None)
    if target.kind != "track" or leading is None:
        return []
    system = systems[name_of(leading)]
    runs = [collect.read_part(data, split, experiment, "test", target) for experiment in system.experiments
            if experiment.seed == system.seeds[0]]
    step = next((label.step for item in data.items.values() if isinstance(label := item.value(target), Track)), 1.0)
    return chosen([run for run in runs if isinstance(run, Predictions)], target.name, system.name, step)


def optional(path: Path) -> dict[str, Any]:
    """A JSON object, or {} where there is none."""
    try:
        content = read_json(path)
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def name_of(row: dict[str, Any]) -> str:
    return f"{row['subsystem']}/{row['variant']}"


def total_counts(row: dict[str, Any]) -> np.ndarray:
    """Confusion matrix (C, C) of a row, mean over seeds."""
    return results.summary_of(row).pooled().mean(axis=0)


def all_pairs(rows: list[dict[str, Any]]) -> tuple[list[str], dict[tuple[int, int], Any]]:
    """Paired tests of every two systems, best first; nothing where speakers are unknown or too many for this."""
    rows = sorted((row for row in rows if row["metrics"]), key=lambda row: (-results.quality(row), results.key_of(row)))
    rows = [row for row in rows if row["speakers"] and row["speakers"] <= MOST_SPEAKERS_FOR_ALL_PAIRS][:14]
    summaries, table = [results.summary_of(row) for row in rows], {}
    for i in range(len(rows)):
        for j in range(i + 1, len(rows)):
            tests = compare(summaries[i], summaries[j])
            if tests:
                table[i, j] = tests
    results.adjust_tests(table.values())
    for (i, j), tests in list(table.items()):
        table[j, i] = {name: {**test, "difference": -test["difference"]} for name, test in tests.items()}
    return [name_of(row) for row in rows] if table else [], table


def learning(system: collect.System) -> tuple[str, list[str], np.ndarray, np.ndarray] | None:
    """Every run's curve on common epochs, NaN where a run has ended."""
    runs = list(collect.curves(system))
    if not runs:
        return None
    columns = runs[0][1]
    runs = [run for run in runs if run[1] == columns and "epoch" in columns and len(run[2])]
    epochs = np.unique(np.concatenate([values[:, columns.index("epoch")] for _, _, values in runs]))
    stack = np.full((len(runs), len(epochs), len(columns)), np.nan)
    for number, (_, _, values) in enumerate(runs):
        stack[number, np.searchsorted(epochs, values[:, columns.index("epoch")])] = values
    return system.name, columns, epochs, stack


def described(error: dict[str, Any], data: Dataset, page: Path, embed: bool) -> dict[str, Any]:
    """An error with its speaker, text and audio."""
    item = data.items[data.groups(data.target().of)[error["id"]][0]]
    return {**error, "speaker": item.speaker or "", "text": (item.text or "")[:160],
            "audio": audio_of(item, page, embed)}


def audio_of(item: Item, page: Path, embed: bool) -> str:
    """Address of the recording for a player: relative to the page, or its bytes; "" without a recording."""
    if not item.path:
        return ""
    path = Path(item.path)
    kind = TYPES.get(path.suffix.lower())
    # of a long recording the utterance alone
    part = f"#t={item.start:.3f},{item.start + item.duration:.3f}" if item.start > 0 else ""
    if embed and kind and path.is_file() and path.stat().st_size <= EMBED_LIMIT:
        return f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode()}{part}"
    relative = os.path.relpath(os.path.abspath(path), page.parent.resolve())
    return quote(os.fsencode(relative)) + part


def training(system: collect.System, data: Dataset) -> dict[str, str]:
    """One line on how a system was trained, over its folds and seeds."""
    target = system.targets(data)[0]
    found = [experiment.metrics(target.name) for experiment in system.experiments]

    def numbers(name: str) -> list[float]:
        return [entry[name] for entry in found if isinstance(entry.get(name), (int, float))]

    def median(name: str, form: str) -> str:
        return form.format(float(np.median(numbers(name)))) if numbers(name) else ""

    chosen: dict[str, set[str]] = {}
    for entry in found:
        for key, value in (entry.get("chosen") or {}).items():
            chosen.setdefault(key, set()).add(f"{value:g}" if isinstance(value, (int, float)) else str(value))
    seconds = numbers("train_seconds")
    return {"system": system.name, "kind": str(system.about.get("kind", "")),
            "features": str(system.about.get("features", "")), "parameters": median("parameters", "{:,.0f}"),
            "seconds": f"{np.mean(seconds):.1f} s" if seconds else "", "epoch": median("best_epoch", "{:g}"),
            "chosen": "; ".join(f"{key} {', '.join(sorted(values))}" for key, values in chosen.items()),
            "temperature": median("temperature", "{:.3g}")}


def config_of(system: collect.System) -> str:
    """config.yaml of the first run."""
    path = system.experiments[0].path / "config.yaml"
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""


def environment(commit: str, commands: list[str]) -> list[tuple[str, str]]:
    """Where and with what this was made; the same on one machine each time."""
    versions = []
    for name in PACKAGES:
        try:
            versions.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            continue
    return [("Command", command) for command in commands] + [
        ("Commit", commit or "unknown"), ("Python", platform.python_version()), ("Packages", ", ".join(versions)),
        ("Host", f"{platform.node()}, {platform.system()} {platform.machine()}, {processor()}, {os.cpu_count()} cores"),
        ("Threads a job", os.environ.get("EMOTION_NUM_THREADS", "1"))]


def processor() -> str:
    """The processor's name, as far as the system tells it."""
    try:
        match = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE)
    except OSError:
        match = None
    return match[1] if match else platform.processor() or "unknown processor"
