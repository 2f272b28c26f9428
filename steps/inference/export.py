"""Export a trained model as one directory that needs nothing else.

    steps/export.sh exp/svm_is10/six_folds/norm-global model
    steps/export.sh --fold 2 --asr ASR --ivectors EXTRACTORS exp/fusion_simplex/six_folds/norm-global model

EXPERIMENT is EXP/<subsystem>/<protocol>/<variant>, with or without /fold<k>/seed<s>; EXP/<subsystem>/<protocol> means
its primary variant, EXP/fusion/<protocol>.json the primary fusion. OUT is replaced as a whole if it is an exported
model. utils/emotion.sh uses it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from utils.arguments import ArgumentParser
from utils.errors import UsageError, run_main


def main(argv: Sequence[str] | None = None) -> int:
    parser = ArgumentParser("export.sh", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fold", type=int, metavar="K", help="default: the first that is there")
    parser.add_argument("--seed", type=int, metavar="S", help="default: the first that is there")
    parser.add_argument("--data", type=Path, metavar="DIR", help="data set of the experiment (default: "
                        "EXP/../data/<corpus>)")
    parser.add_argument("--asr", type=Path, metavar="DIR", help="recognizer: subsystems that read transcripts need "
                        "it, and most i-vectors; where it is given, transcripts are printed too")
    parser.add_argument("--ivectors", type=Path, action="append", default=[], metavar="DIR",
                        help="i-vector extractor, or directory of several (EXP/ivector); may be repeated")
    parser.add_argument("--precomputed-as", metavar="FEATURES", help="conf/FEATURES.yaml makes of a recording what "
                        "came precomputed with the corpus: a model that was trained on such features hears by it")
    parser.add_renamed("--given-as", "--precomputed-as")
    parser.add_argument("experiment", type=Path, metavar="EXPERIMENT")
    parser.add_argument("out", type=Path, metavar="OUT", help="directory to write")
    arguments = parser.parse_args(argv)
    from steps.components.directory import ABOUT
    from steps.inference.opening import open_model
    from steps.inference.selection import select
    from steps.inference.source import Source
    from steps.inference.writer import Writer
    from utils.files import atomic_directory

    if arguments.out.exists() and not ((arguments.out / ABOUT).is_file()
                                       or (arguments.out.is_dir() and not any(arguments.out.iterdir()))):
        raise UsageError(f"{arguments.out} is there and is no exported model; name another directory")
    chosen = select(arguments.experiment, arguments.fold, arguments.seed)
    data = arguments.data or chosen.exp.parent / "data" / chosen.corpus
    with atomic_directory(arguments.out) as directory:
        Writer(directory, Source(chosen, data, arguments.asr, arguments.ivectors, arguments.precomputed_as)).write()
        open_model(directory)  # what is written opens, or it is not written
    size = sum(path.stat().st_size for path in arguments.out.rglob("*") if path.is_file())
    print(f"{arguments.out}: {chosen.name}, {len(chosen.members)} subsystem{'s' * (len(chosen.members) > 1)}, "
          f"{size / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(run_main(main))
