"""Build a decoding graph from the spellings of words and a language model.

    python -m steps.asr.decode.make_graph --recognizer exp/asr --arpa exp/lm.arpa --out exp/asr/graph

Composition as in Mohri, Pereira & Riley (2008), with CTC's topology T in the place of HMMs (Miao et al., ASRU 2015);
steps/asr/decode/graph.py says what a graph directory holds.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from steps.asr.decode.graph import ABOUT, BACKOFF, BEGIN, EMPTY, END, FORMAT, UNKNOWN, Graph, Spellings, hash_of
from utils.arguments import ArgumentParser
from utils.errors import UserError, run_main
from utils.files import atomic_directory, read_json, write_json, write_text
from utils.text_files import read_keyed

if TYPE_CHECKING:
    from steps.asr.decode.fst import Fst
    from steps.asr.units import Units


def build(directory: str | Path, spellings: Spellings, units: Units, arpa: str | Path,
          more_words: Iterable[str] = ()) -> dict[str, Any]:
    """Write a graph directory.

    Words of the language model without a spelling are left out of it, and counted; so is <unk>, whose share
    `more_words` (words with a spelling that the model lacks) divide equally if there are any.

    Args:
        spellings: of each word, as unit ids; steps.asr.phones.lexicon.Lexicon is one.

    Returns:
        What graph.json says.

    Raises:
        UserError: the model has other symbols than the lexicon; a spelling is empty or has units that do not exist.
    """
    from steps.asr.decode import graph_parts

    spelled = {word: [list(map(int, spelling)) for spelling in spellings[word]] for word in sorted(spellings)}
    _check_spellings(spelled, units)
    model = graph_parts.read_model(Path(arpa))
    known, lacking = [word for word in spelled if word in model], [word for word in model if word not in spelled]
    if len(known) < len(lacking) or not known:
        raise UserError(f"{arpa}: {len(lacking)} of its {len(model)} words have no spelling, e.g. {lacking[0]!r}: it "
                        "is a language model over other symbols; train one on text in the form of the lexicon's words")
    added = sorted({word for word in more_words if word in spelled and word not in model})
    spelled = {word: spelled[word] for word in sorted([*known, *added])}
    words = [EMPTY, *spelled, BACKOFF, BEGIN, END]
    with atomic_directory(directory) as temporary:
        write_text(temporary / "words.txt", "".join(f"{word} {number}\n" for number, word in enumerate(words)))
        grammar = graph_parts.grammar(Path(arpa), words, added, temporary)
        lexicon = graph_parts.lexicon(spelled, words, len(units))
        composed = graph_parts.compose(lexicon, grammar, len(units), temporary)
        whole = graph_parts.with_topology(composed, units.blank)
        whole.write(temporary / "TLG.fst")
        write_json(temporary / "lexicon.json", spelled, indent=None)
        about = {"format": FORMAT, "units": len(units), "blank": units.blank, "tokens": hash_of(units.tokens),
                 "words": len(spelled), "left_out": len(lacking), "added": len(added), "states": len(whole),
                 "arcs": len(whole.sources), "fingerprint": _fingerprint(whole, spelled)}
        told = Path(f"{arpa}.json")  # beside the model: what it was trained on, for the leak audit
        if told.is_file() and "trained_on" in (record := read_json(told)):
            about["trained_on"] = record["trained_on"]
        write_json(temporary / ABOUT, about)
    return about


def _check_spellings(spelled: Mapping[str, Sequence[Sequence[int]]], units: Units) -> None:
    for word, variants in spelled.items():
        if any(character.isspace() for character in word) or word in (EMPTY, BACKOFF, BEGIN, END, UNKNOWN):
            raise UserError(f"the lexicon has the word {word!r}: it holds a space or is a symbol of the graph's own")
        for spelling in variants:
            if not spelling or any(not 0 <= unit < len(units) or unit == units.blank for unit in spelling):
                raise UserError(f"the lexicon spells {word!r} {list(spelling)}: expected one or more of the "
                                f"{len(units)} units, without the blank")


def _fingerprint(whole: Fst, spelled: Spellings) -> str:
    digest = hashlib.sha256(repr(list(spelled.items())).encode())
    for array in (whole.finals, whole.sources, whole.inputs, whole.outputs, whole.targets, whole.costs):
        digest.update(array.tobytes())
    return digest.hexdigest()[:16]


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = ArgumentParser(prog="make_graph.sh", description="Build a decoding graph.")
    parser.add_renamed("--recogniser", "--recognizer")
    parser.add_argument("--recognizer", required=True, type=Path, metavar="DIR", help="its units spell the words")
    parser.add_argument("--arpa", required=True, type=Path, metavar="FILE", help="language model over words")
    parser.add_argument("--more-words", type=Path, metavar="FILE", help="one word a line (what follows it is not "
                        "looked at, so a lexicon will do); those that the model lacks share the probability of <unk>")
    parser.add_argument("--tune-on", type=Path, metavar="DATA", help="choose the weight of the language model and the "
                        "penalty of the blank on the dev part of this data set")
    parser.add_argument("--split", default="official", metavar="PROTOCOL", help="with --tune-on (%(default)s)")
    parser.add_argument("--out", type=Path, metavar="DIR", help="default: <recognizer>/graph")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    arguments = parse(argv)
    from steps.asr.decode import graph_parts
    from steps.asr.phones.lexicon import Lexicon
    from steps.asr.recognizers.recognizer import open_recognizer
    from steps.text.normal_form import normalize

    recognizer, out = open_recognizer(arguments.recognizer), arguments.out or arguments.recognizer / "graph"
    units = recognizer.units
    listed = read_keyed(arguments.more_words) if arguments.more_words else ()
    more = sorted({normalize(word) for _, word, _ in listed} - {""})
    spellings = Lexicon.of_words([*graph_parts.read_model(arguments.arpa), *more], units)
    about = build(out, spellings, units, arguments.arpa, more)
    print(f"graph: {about['words']} words ({about['added']} by backoff, {about['left_out']} of the model left out), "
          f"{about['states']} states, {about['arcs']} arcs")
    if arguments.tune_on:
        from steps.asr.decode.tune_decoding import tune
        from steps.data.dataset import Dataset

        data = Dataset.open(arguments.tune_on)
        features = data.path / recognizer.extractor.name
        found = tune(recognizer, Graph.open(out, units), data, arguments.split, features)
        chosen = ", ".join(f"{key} {value}" for key, value in found["chosen"].items())
        print(f"graph: {chosen}: WER {found['dev_WER']:.1f} on dev, best of {len(found['tried'])} settings")
    return 0


if __name__ == "__main__":
    sys.exit(run_main(main))
