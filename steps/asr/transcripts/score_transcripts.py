"""Score the transcripts of one or several recognizers on a part of a data set, and write EXP/RESULTS.{json,md}.

    score_transcripts.sh --protocol official --part dev --part test --system greedy=exp/greedy/{part}.tsv \
        --system graph/lm3=exp/graph/{part}.tsv --by-sentence --calibrate --report exp/report/transcripts.html DATA EXP

A hypotheses file has a line an utterance, as steps/decode_transcripts.sh writes it. Every utterance of the part needs
one; others are ignored. {part} in its path becomes dev or test. What RESULTS.json holds of other systems, protocols or
parts stays. Writes EXP/scored/<protocol>.json with the rows of this run.
"""

from __future__ import annotations

import argparse
import re
import shlex
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from steps.asr.transcripts.scored import Scored, System
from utils.arguments import ArgumentParser
from utils.errors import UsageError, UserError, run_main
from utils.files import write_json, write_text
from utils.text_files import read_keyed

if TYPE_CHECKING:
    from steps.data.dataset import Dataset
    from steps.data.splits import Split

PARTS = ("dev", "test")
SEEN, UNSEEN = "sentence in train", "sentence not in train"


def main(argv: Sequence[str] | None = None) -> int:
    arguments = parse(argv)
    from steps.data.dataset import Dataset
    from steps.scoring import continued, results, tables

    data, stem = Dataset.open(arguments.data), continued.stem_of(arguments)
    split = data.split(arguments.protocol)
    subsets = {"": None, **read_subsets(arguments.subset, data)}
    if arguments.by_sentence:
        subsets |= by_sentence(data, split, arguments.fold)
    scored = [read_scored(data, split.ids(arguments.fold, part), system, part)
              for part in arguments.part for system in arguments.system]
    if arguments.calibrate:
        calibrate(scored, arguments.exp)
    rows = [row_of(entry.of(ids), data, split, arguments, subset) for entry in scored
            for subset, ids in subsets.items() if entry.of(ids).transcripts]
    affected = continued.continue_results(stem, arguments.committed, rows, arguments.reference)
    mine = {results.key_of(row) for row in rows}
    mine_now = [row for row in affected if results.key_of(row) in mine]
    for part in arguments.part:
        print(f"{part}:\n\n{tables.tables(mine_now, part)}\n")
    write_json(arguments.exp / "scored" / f"{split.name}.json",
               {"corpus": data.name, "protocol": split.name, "results": f"{stem}.json", "rows": mine_now})
    if arguments.report:
        from steps.asr.transcripts.transcript_report import render

        write_text(arguments.report, render(mine_now, scored, data))
        print(f"alignments: {arguments.report}")
    continued.tell_where(stem, arguments.committed)
    return 0


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    from steps.scoring.continued import add_options

    parser = ArgumentParser("score_transcripts.sh", description=__doc__,
                            formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--protocol", default="official", help="%(default)s")
    parser.add_argument("--fold", type=int, default=1, help="%(default)s")
    parser.add_argument("--part", action="append", choices=PARTS, help="may be repeated; default: test")
    parser.add_argument("--system", action="append", required=True, type=system_of, metavar="NAME[/VARIANT]=FILE",
                        help="may be repeated")
    parser.add_argument("--subset", action="append", default=[], metavar="NAME=FILE",
                        help="score the utterances that FILE lists (one id a line) by themselves as well")
    parser.add_argument("--by-sentence", action="store_true",
                        help=f'two more subsets: "{SEEN}" and "{UNSEEN}" of the fold')
    parser.add_argument("--calibrate", action="store_true",
                        help="learn a calibration of the confidences on dev (--part dev), write it to "
                             "EXP/confidence/SYSTEM.json and score confidences with it")
    parser.add_argument("--seed", type=int, default=0, help="of the training, as the row names it (%(default)s)")
    parser.add_argument("--mark", action="append", default=[], help="what a reader must know beside the figures")
    parser.add_argument("--command", help="that gives these figures; default: the recipe's run.sh")
    parser.add_argument("--reference", metavar="SYSTEM[/VARIANT]",
                        help="that all are tested against; default: the best on dev")
    add_options(parser)
    parser.add_argument("--report", type=Path, metavar="FILE", help="write a page with the alignments")
    parser.add_argument("data", type=Path, metavar="DATA")
    parser.add_argument("exp", type=Path, metavar="EXP")
    arguments = parser.parse_args(argv)
    arguments.part = [part for part in PARTS if part in (arguments.part or ["test"])]
    names = [(system.name, system.variant) for system in arguments.system]
    if len(set(names)) < len(names):
        raise UsageError("--system: two have the same NAME/VARIANT; give each its own")
    if len(arguments.part) > 1 and any("{part}" not in system.path for system in arguments.system):
        raise UsageError("--system: with two parts every FILE needs {part} in its path")
    if arguments.calibrate and "dev" not in arguments.part:
        raise UsageError("--calibrate learns on dev: add --part dev")
    return arguments


def system_of(text: str) -> System:
    name, separator, path = text.partition("=")
    name, _, variant = name.partition("/")
    if not (separator and path and re.fullmatch(r"[\w.+-]+", name) and re.fullmatch(r"[\w.+-]*", variant)):
        raise argparse.ArgumentTypeError(f"{text!r}; accepted: NAME=FILE or NAME/VARIANT=FILE")
    return System(name, variant or "-", path)


def read_subsets(given: Iterable[str], data: Dataset) -> dict[str, set[str] | None]:
    """{name: ids} of --subset NAME=FILE.

    Raises:
        UsageError: not that form, or no such file. UserError: an id that the data set does not have.
    """
    found: dict[str, set[str] | None] = {}
    for text in given:
        name, separator, path = text.partition("=")
        if not separator or not name or not Path(path).is_file():
            raise UsageError(f"--subset {text}: expected NAME=FILE, where FILE lists ids, one a line")
        ids = {key for _, key, _ in read_keyed(path)}
        foreign = sorted(ids - data.items.keys())
        if foreign:
            raise UserError(f"{path}: {foreign[0]} is no utterance of {data.path} ({len(foreign)} of {len(ids)} are "
                            "not)")
        found[name] = ids
    return found


def by_sentence(data: Dataset, split: Split, fold: int) -> dict[str, set[str] | None]:
    """The ids whose sentence occurs in the train part of the fold, and the others."""
    from steps.text.normal_form import normalize

    sentence = {key: normalize(item.text or "", item.language) for key, item in data.items.items()}
    train = {sentence[key] for key in split.ids(fold, "train")}
    seen = {key for key, text in sentence.items() if text in train}
    return {UNSEEN: data.items.keys() - seen, SEEN: seen}


def read_scored(data: Dataset, ids: Sequence[str], system: System, part: str) -> Scored:
    """Read a hypotheses file and align it with the references of a part.

    Raises:
        UserError: an utterance of the part has no hypothesis or no reference.
    """
    from steps.asr.decode.hypothesis import Hypothesis, read_hypotheses
    from steps.asr.error_rate import score

    path = system.file(part)
    if not ids:
        raise UserError(f"{data.path}: the part {part} is empty; choose another --part, --protocol or --fold")
    hypotheses = read_hypotheses(path)
    missing = [key for key in ids if key not in hypotheses]
    if missing:
        raise UserError(f"{path}: {missing[0]} has no hypothesis ({len(missing)} of the {len(ids)} utterances of "
                        f"{part} have none); decode the whole part")
    silent = [key for key in ids if data.items[key].text is None]
    if silent:
        raise UserError(f"{data.path}: {silent[0]} has no transcript to score against ({len(silent)} of the {len(ids)} "
                        f"utterances of {part})")
    transcripts, confidences = [], []
    for key in sorted(ids):
        item, best = data.items[key], (hypotheses[key] or [Hypothesis()])[0]
        transcripts.append(score(key, item.speaker, item.text or "", best.words, item.language))
        confidences.append(best.confidences)
    return Scored(system, part, transcripts, confidences)


def calibrate(scored: Sequence[Scored], exp: Path) -> None:
    """Learn each system's calibration on its dev part, write it, and apply it to the confidences of all parts."""
    from steps.asr.decode.word_confidence import UNCALIBRATED, apply_calibration, fit_calibration, write_calibration

    learned = {}
    for entry in (entry for entry in scored if entry.part == "dev"):
        silent = not any(transcript.right for transcript in entry.transcripts)
        if silent:
            print(f"{entry.system.name}: no word was recognized on dev, so there is no confidence to calibrate",
                  file=sys.stderr)
        learned[entry.system] = UNCALIBRATED if silent else fit_calibration(*entry.words())
    for system, calibration in learned.items():
        name = system.name if system.variant == "-" else f"{system.name}.{system.variant}"
        write_calibration(exp / "confidence" / f"{name}.json", calibration)
    for entry in scored:
        entry.confidences = [tuple(apply_calibration(mine, learned[entry.system]).tolist())
                             for mine in entry.confidences]


def row_of(scored: Scored, data: Dataset, split: Split, arguments: argparse.Namespace, subset: str) -> dict[str, Any]:
    """A row of results, see steps/scoring/results.py."""
    import numpy as np

    from steps.asr.decode.word_confidence import histogram
    from steps.scoring.rows import data_marks, recipe_command, result_row
    from steps.scoring.summary import Summary

    summary = Summary(transcripts=True)
    transcripts = scored.transcripts
    summary.add_errors((arguments.fold, arguments.seed), [transcript.speaker for transcript in transcripts],
                       np.stack([transcript.counts for transcript in transcripts]))
    summary.confidence = histogram(*scored.words())
    silent = sum(not transcript.errors.length for transcript in transcripts)
    marks = [*data_marks(data, split), *arguments.mark, *(["calibrated confidence"] if arguments.calibrate else []),
             *([f"{silent} empty references"] if silent else [])]
    return result_row(
        corpus=data.name, protocol=split.name, target="text", system=(scored.system.name, scored.system.variant),
        part=scored.part, subset=subset, folds=[arguments.fold], seeds=[arguments.seed], items=len(transcripts),
        marks=marks, command=arguments.command or shlex.join(recipe_command(data)), found=summary)


if __name__ == "__main__":
    sys.exit(run_main(main))
