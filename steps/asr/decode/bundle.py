"""Put a recognizer, its decoding graph and its phone-state head into one directory, which other recipes take by --asr.

    python -m steps.asr.decode.bundle --asr exp/asr --graph exp/graph --phone-states exp/phone_states exp/recognizer
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from utils.arguments import ArgumentParser
from utils.errors import UserError, run_main
from utils.files import atomic_directory, read_json
from utils.renamed import present_path

# What belongs to a recognizer; epochs, checkpoints and logs stay behind.
FILES = ("config.yaml", "model.safetensors", "recognizer.json")
PARTS = {"graph": "graph.json", "phone_states": "phone_states.json"}
LEFT_BEHIND = shutil.ignore_patterns("log", "rounds", "alignment.npz", ".*", "*.old", "*.partial")


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = ArgumentParser(prog="bundle_asr.sh", description=__doc__,
                            formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--asr", required=True, type=Path, metavar="DIR", help="of steps/train_recognizer.sh")
    parser.add_argument("--graph", type=Path, metavar="DIR", help="of steps/make_graph.sh")
    parser.add_argument("--phone-states", type=Path, metavar="DIR", help="of steps/train_phone_states.sh")
    parser.add_argument("out", type=Path, metavar="OUT")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    arguments = parse(argv)
    about = check(arguments)
    with atomic_directory(arguments.out) as new:
        for name in FILES:
            shutil.copy2(present_path(arguments.asr / name), new / name)
        shutil.copytree(arguments.asr / "units", new / "units")
        for part in PARTS:
            if getattr(arguments, part):
                shutil.copytree(getattr(arguments, part), new / part, ignore=LEFT_BEHIND)
    size = sum(path.stat().st_size for path in arguments.out.rglob("*") if path.is_file())
    print(f"{arguments.out}: recognizer {about['fingerprint']}, {size / 1e6:.1f} MB")
    return 0


def check(arguments: argparse.Namespace) -> dict[str, str]:
    """recognizer.json of what is put together.

    Raises:
        UserError: a part is missing, or was made for another recognizer.
    """
    from steps.asr.decode.graph import Graph
    from steps.asr.recognizers.recognizer import read_about
    from steps.asr.units import Units

    about = read_about(arguments.asr)
    for part, file in PARTS.items():
        directory = getattr(arguments, part)
        if directory and not (directory / file).is_file():
            raise UserError(f"{directory} is no {part} directory: {file} is missing", 2)
    if arguments.graph:
        Graph.open(arguments.graph, Units.load(arguments.asr / "units"))
    if arguments.phone_states:
        wanted = read_json(arguments.phone_states / PARTS["phone_states"]).get("recognizer")
        if wanted not in (None, about["fingerprint"]):
            raise UserError(f"{arguments.phone_states} was trained with recognizer {wanted}, {arguments.asr} is "
                            f"{about['fingerprint']}: train the head again")
    return about


if __name__ == "__main__":
    sys.exit(run_main(main))
