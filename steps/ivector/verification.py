"""Speaker verification by i-vectors: equal error rates of cosine and PLDA scores on the speakers of a part.

All pairs of utterances are trials, or with --enrol K models of K utterances against single ones. Nothing is learned
here: whitening, LDA and PLDA are the extractor's back end. Writes OUT as JSON, and with --results rows of RESULTS.json.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from utils.arguments import ArgumentParser, count
from utils.errors import UserError, run_main
from utils.files import write_json

if TYPE_CHECKING:
    import numpy as np

    from steps.data.dataset import Dataset
    from steps.ivector.backend import Backend
    from steps.ivector.trials import Trials


def main(argv: Sequence[str] | None = None) -> int:
    arguments = parse(argv)
    import numpy as np

    from steps.data.dataset import Dataset
    from steps.features.store import FeatureStore
    from steps.ivector.extractor import load_backend, read_about
    from steps.ivector.trials import figures, summarise

    data, about = Dataset.open(arguments.data), read_about(arguments.extractor)
    protocol, _, part = arguments.split.partition("/")
    part = part or "test"
    store = FeatureStore.open(arguments.data / arguments.ivectors, {"options": {"fingerprint": about["fingerprint"]}})
    ids = data.split(protocol).ids(1, part)
    keys = [key for key in ids if key in store]
    speakers = speakers_of(data, keys, f"part {part} of protocol {protocol}")
    vectors = store.matrix(keys)
    trials, scores = score(vectors, speakers, load_backend(arguments.extractor), arguments.enrol)
    found = {method: summarise(values, trials) for method, values in scores.items()}
    silent = int((~np.asarray(vectors).any(axis=1)).sum())
    result = {"corpus": data.name, "protocol": protocol, "part": part, "occupancy": about["occupancy"],
              "extractor": about["fingerprint"], "enrol": arguments.enrol, "utterances": len(keys),
              "missing": sorted(set(ids) - set(keys)), "without_statistics": silent,
              "methods": {method: {**figures(summary), **summary} for method, summary in found.items()}}
    write_json(arguments.out, result)
    for method, entry in result["methods"].items():
        low, high = entry["intervals"].get("EER", (None, None))
        told = f" [{100 * low:.2f}, {100 * high:.2f}]" if low is not None else f"; no interval: {entry['no_intervals']}"
        print(f"{data.name} {part}, {about['occupancy']}, {method}: EER {100 * entry['metrics']['EER']:.2f} %{told}; "
              f"{entry['targets']} target and {entry['impostors']} impostor trials, {entry['speakers']} speakers")
    if arguments.results:
        write_rows(arguments, data, result, found)
    return 0


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = ArgumentParser(prog="verify_speakers.sh", description=__doc__,
                            formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--extractor", required=True, type=Path, metavar="DIR", help="the i-vectors' extractor")
    parser.add_argument("--ivectors", default="ivector", metavar="NAME", help="DATA/NAME (%(default)s)")
    parser.add_argument("--split", default="official/test", metavar="PROTOCOL/PART",
                        help="fold 1 of a protocol; part test where none is named (%(default)s)")
    parser.add_argument("--enrol", type=count, metavar="K", help="models of K utterances; default: all pairs")
    parser.add_argument("--results", type=Path, metavar="STEM", help="put rows into STEM.json")
    parser.add_argument("--subsystem", metavar="NAME", help="of the rows (default: ivector_<occupancy>)")
    parser.add_argument("data", type=Path, metavar="DATA")
    parser.add_argument("out", type=Path, metavar="OUT", help="JSON file")
    return parser.parse_args(argv)


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
    from steps.ivector.trials import Trials, all_pairs, enrolment

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


def write_rows(arguments: argparse.Namespace, data: Dataset, result: dict[str, Any],
               found: dict[str, dict[str, Any]]) -> None:
    """One row a method in RESULTS.json; others stay."""
    from steps.ivector.trials import figures
    from steps.scoring import results
    from steps.scoring.score import commit

    marks = ["synthetic"] if data.info.get("synthetic") else []
    marks += ["partial corpus"] if data.info.get("missing") else []
    marks += [f"{result['without_statistics']} utterances without statistics"] if result["without_statistics"] else []
    marks += [f"{len(result['missing'])} utterances without i-vectors"] if result["missing"] else []
    trials = "all pairs" if arguments.enrol is None else f"enrol {arguments.enrol}"
    command = ["steps/verify_speakers.sh", "--split", f"{result['protocol']}/{result['part']}"]
    command += [] if arguments.enrol is None else ["--enrol", str(arguments.enrol)]
    rows = [{"corpus": data.name, "protocol": result["protocol"],
             "subsystem": arguments.subsystem or f"ivector_{result['occupancy']}", "variant": f"{method}, {trials}",
             "part": result["part"], "text_source": None, "task": "verification", "unit": "utterance", "classes": [],
             "folds": [1], "seeds": [0], "items": result["utterances"], "speakers": summary["speakers"],
             "marks": marks, "primary": False, "best_on_dev": False, "commit": commit(), "command": " ".join(command),
             **figures(summary), "summary": summary} for method, summary in found.items()]
    path = arguments.results.with_name(arguments.results.name + ".json")
    results.save(path, results.merge(results.load(path), rows))
    print(f"wrote {len(rows)} rows to {path}")


if __name__ == "__main__":
    sys.exit(run_main(main))
