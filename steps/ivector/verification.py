"""Speaker verification by i-vectors: equal error rates of cosine and PLDA scores on the speakers of a part.

    verify_speakers.sh --extractor exp/gmm/extractor --ivectors ivector_gmm \\
        --extractor exp/tokens/extractor --ivectors ivector_tokens --results RESULTS DATA OUT

All pairs of utterances are trials, or with --enrol K models of K utterances against single ones. Nothing is learned
here: whitening, LDA and PLDA are the extractor's back end. Writes OUT, a JSON list with an entry an extractor, and with
--results rows of RESULTS.{json,md}; what those hold of other systems stays.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from utils.arguments import ArgumentParser, count
from utils.errors import UsageError, UserError, run_main
from utils.files import write_json

if TYPE_CHECKING:
    import numpy as np

    from steps.data.dataset import Dataset
    from steps.data.splits import Split
    from steps.ivector.backend import Backend
    from steps.scoring.trials import Trials


@dataclass(frozen=True)
class System:
    """An extractor, the name of its i-vectors under DATA, its extractor.json, and what its rows are called."""

    extractor: Path
    ivectors: str
    about: Mapping[str, Any]
    subsystem: str


def main(argv: Sequence[str] | None = None) -> int:
    arguments = parse(argv)
    from steps.data.dataset import Dataset
    from steps.scoring import continued

    data = Dataset.open(arguments.data)
    protocol, _, part = arguments.split.partition("/")
    split, part = data.split(protocol), part or "test"
    entries = []
    for system in systems_of(arguments):
        entries.append(verify(data, split, part, system, arguments.enrol))
        tell(entries[-1])
    write_json(arguments.out, entries)
    if arguments.results:
        rows = [row for entry in entries for row in rows_of(data, split, entry)]
        continued.continue_results(arguments.results, arguments.committed, rows)
        continued.tell_where(arguments.results, arguments.committed)
    return 0


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    from steps.scoring.continued import add_options

    parser = ArgumentParser(prog="verify_speakers.sh", description=__doc__,
                            formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--extractor", required=True, action="append", type=Path, metavar="DIR",
                        help="the i-vectors' extractor; may be repeated")
    parser.add_argument("--ivectors", action="append", metavar="NAME",
                        help="DATA/NAME (ivector); one an --extractor, in the same order")
    parser.add_argument("--split", default="official/test", metavar="PROTOCOL/PART",
                        help="fold 1 of a protocol; part test where none is named (%(default)s)")
    parser.add_argument("--enrol", type=count, metavar="K", help="models of K utterances; default: all pairs")
    add_options(parser, None)
    parser.add_argument("--subsystem", action="append", metavar="NAME",
                        help="of the rows (ivector_<occupancy>); one an --extractor, in the same order")
    parser.add_argument("data", type=Path, metavar="DATA")
    parser.add_argument("out", type=Path, metavar="OUT", help="JSON file")
    arguments = parser.parse_args(argv)
    extractors = len(arguments.extractor)
    if arguments.ivectors is None and extractors == 1:
        arguments.ivectors = ["ivector"]
    for name in ("ivectors", "subsystem"):
        given = getattr(arguments, name)
        if len(given or ()) != extractors and (given is not None or name == "ivectors"):
            raise UsageError(f"verify_speakers.sh: {extractors} times --extractor and {len(given or ())} times "
                             f"--{name}; give each extractor its --{name} NAME, in the same order")
    return arguments


def systems_of(arguments: argparse.Namespace) -> list[System]:
    """
    Raises:
        UsageError: two systems of one name. UserError: no extractor there.
    """
    from steps.ivector.extractor import read_about

    abouts = [read_about(extractor) for extractor in arguments.extractor]
    names = arguments.subsystem or [f"ivector_{about['occupancy']}" for about in abouts]
    name, times = Counter(names).most_common(1)[0]
    if times > 1:
        raise UsageError(f"verify_speakers.sh: {times} systems are called {name}; give each its own by --subsystem "
                         "NAME, in the order of --extractor")
    return [System(*entry) for entry in zip(arguments.extractor, arguments.ivectors, abouts, names, strict=True)]


def verify(data: Dataset, split: Split, part: str, system: System, enrol: int | None) -> dict[str, Any]:
    """The entry of OUT: what was compared, and of each method the summary of its trials and what follows from it.

    Raises:
        UserError: i-vectors of another extractor, too few utterances, or one whose speaker is unknown.
    """
    import numpy as np

    from steps.features.store import FeatureStore
    from steps.ivector.extractor import load_backend
    from steps.scoring.trials import figures, summarize

    fingerprint = system.about["fingerprint"]
    store = FeatureStore.open(data.path / system.ivectors, {"options": {"fingerprint": fingerprint}})
    ids = split.ids(1, part)
    keys = [key for key in ids if key in store]
    speakers = speakers_of(data, keys, f"part {part} of protocol {split.name}")
    vectors = store.matrix(keys)
    trials, scores = score(vectors, speakers, load_backend(system.extractor), enrol)
    summaries = {method: summarize(values, trials) for method, values in scores.items()}
    return {"corpus": data.name, "protocol": split.name, "part": part, "subsystem": system.subsystem,
            "occupancy": system.about["occupancy"], "extractor": fingerprint, "ivectors": system.ivectors,
            "enrol": enrol, "utterances": len(keys), "missing": sorted(set(ids) - set(keys)),
            "without_statistics": int((~np.asarray(vectors).any(axis=1)).sum()),
            "methods": {method: {**figures(summary), "summary": summary} for method, summary in summaries.items()}}


def tell(entry: Mapping[str, Any]) -> None:
    """One line a method."""
    for method, found in entry["methods"].items():
        low, high = found["intervals"].get("EER", (None, None))
        told = f" [{100 * low:.2f}, {100 * high:.2f}]" if low is not None else f"; no interval: {found['no_intervals']}"
        summary = found["summary"]
        print(f"{entry['corpus']} {entry['part']}, {entry['subsystem']}, {method}: EER "
              f"{100 * found['metrics']['EER']:.2f} %{told}; {summary['targets']} target and {summary['impostors']} "
              f"impostor trials, {summary['speakers']} speakers")


def speakers_of(data: Dataset, keys: Sequence[str], where: str) -> list[str]:
    """
    Raises:
        UserError: no utterances, or one whose speaker is unknown.
    """
    speakers = [data.items[key].speaker for key in keys]
    if not speakers or None in speakers:
        raise UserError(f"{data.path}: {where} has {len(speakers)} utterances with i-vectors, "
                        f"{speakers.count(None)} of them of unknown speakers; verification needs speakers")
    return [str(speaker) for speaker in speakers]


def score(vectors: np.ndarray, speakers: Sequence[str], backend: Backend,
          enrol: int | None) -> tuple[Trials, dict[str, np.ndarray]]:
    """
    Args:
        vectors: (N, R). speakers: of each. enrol: utterances of a model; None: all pairs.

    Returns:
        The trials, and {method: scores (K,)}; PLDA only where the back end has it.
    """
    import numpy as np

    from steps.ivector.backend import cosine_scores
    from steps.ivector.trials import all_pairs, enrolment
    from steps.scoring.trials import Trials

    projected = backend.apply(vectors)
    if enrol is None:
        trials, first, second = all_pairs(speakers)
        cells = (first, second)
        models, tested, counts = projected, projected, None
    else:
        model, owners = enrolment(speakers, enrol)
        if not len(owners):
            raise UserError(f"--enrol {enrol}: no speaker has more than {enrol} utterances; lower it")
        models = np.stack([projected[model == number].mean(axis=0) for number in range(len(owners))])
        tested, counts = projected[model < 0], np.full(len(owners), enrol)
        names, number = np.unique(np.asarray(speakers, dtype=str), return_inverse=True)
        cells = tuple(np.indices((len(owners), len(tested))).reshape(2, -1))
        trials = Trials(names.tolist(), np.searchsorted(names, owners)[cells[0]], number[model < 0][cells[1]])
    scores = {"cosine": cosine_scores(models, tested)[cells]}
    if backend.plda is not None:
        scores["plda"] = backend.plda.score(models, tested, counts)[cells]
    return trials, scores


def rows_of(data: Dataset, split: Split, entry: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One row of results a method, see steps/scoring/results.py."""
    from steps.scoring.rows import data_marks, result_row

    marks = data_marks(data, split)
    if entry["without_statistics"]:
        marks.append(f"{entry['without_statistics']} utterances without statistics")
    if entry["missing"]:
        marks.append(f"{len(entry['missing'])} utterances without i-vectors")
    trials = "all pairs" if entry["enrol"] is None else f"enrol {entry['enrol']}"
    return [result_row(corpus=data.name, protocol=split.name, target="speaker",
                       system=(entry["subsystem"], f"{method}, {trials}"), part=entry["part"], folds=[1], seeds=[0],
                       items=entry["utterances"], marks=marks, command=command(data, entry), found=found)
            for method, found in entry["methods"].items()]


def command(data: Dataset, entry: Mapping[str, Any]) -> str:
    """The recipe's command where one runs; else the front end's, which an extractor and its i-vectors complete."""
    from steps.scoring.rows import recipe_command

    if os.environ.get("EMOTION_RECIPE"):
        return shlex.join(recipe_command(data))
    enrol = [] if entry["enrol"] is None else ["--enrol", str(entry["enrol"])]
    return shlex.join(["steps/verify_speakers.sh", "--split", f"{entry['protocol']}/{entry['part']}", *enrol])


if __name__ == "__main__":
    sys.exit(run_main(main))
