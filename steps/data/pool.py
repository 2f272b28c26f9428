"""Pool prepared data sets into one, in common classes: every corpus trains once and is tested by all others.

    steps/pool_corpora.sh --protocols "ravdess=six_folds emodb=one_speaker_out" data/pooled data/ravdess data/emodb

DATA is a prepared data set; NAME=DATA takes it in under another name, and with the map of that name if there is one.
Ids, speakers, sessions, dialogues and codes of sentences get the name of their corpus in front; the field `corpus` has
it too. Utterances without a label, and those whose label the map leaves out, are not in OUT. Writes OUT's cuts,
corpus.json and the protocol `cross` (splits/cross.json says which fold is trained on which corpus).
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from utils.arguments import ArgumentParser
from utils.errors import run_main
from utils.files import ROOT, write_json
from utils.printable import printable

if TYPE_CHECKING:
    from steps.data.class_map import ClassMap
    from steps.data.pool_members import Member

KEY = "pooled"  # of corpus.json
SUPERVISION, CUSTOM = ("speaker",), ("session", "dialogue", "sentence", "template")  # names within their corpus


def main(argv: Sequence[str] | None = None) -> int:
    arguments = parse(argv)
    from steps.data.class_map import read_class_map
    from steps.data.derived import check_target
    from steps.data.pool_members import open_members

    classes = read_class_map(arguments.map)
    members = open_members(arguments.data, classes, arguments.protocols)
    for member in members:
        check_target(member.data, arguments.out, KEY, "steps/pool_corpora.sh")
    info = pool(members, classes, arguments.folds, arguments.out)
    for line in info["warnings"]:
        print(f"warning: {printable(line)}", file=sys.stderr)
    for name, about in info[KEY].items():
        counts = ", ".join(f"{label} {count}" for label, count in about["counts"].items())
        print(f"{name}: {about['utterances']} utterances of {about['speakers'] or 'unknown'} speakers, {counts}; "
              f"{about['left_out']} left out; map {about['map']}, protocol {about['protocol']}")
    print(f"{arguments.out}: {info['utterances']} utterances, {info['hours']:.2f} h, {len(info[KEY])} corpora, "
          f"{len(info['counts'])} classes; protocol cross")
    return 0


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    from steps.data.cross_protocol import CHOICES

    parser = ArgumentParser("pool_corpora.sh", description=__doc__,
                            formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--map", type=Path, default=ROOT / "conf" / "common_classes.yaml", metavar="FILE",
                        help="common classes and every corpus's map to them (default: conf/common_classes.yaml)")
    parser.add_argument("--protocols", default="", metavar='"CORPUS=PROTOCOL ..."',
                        help="each corpus's own protocol (default: the first that it has)")
    parser.add_argument("--folds", choices=CHOICES, default="first",
                        help="of each corpus's own protocol: train on the first fold, or on every one (%(default)s)")
    parser.add_argument("out", type=Path, metavar="OUT")
    parser.add_argument("data", nargs="+", metavar="[NAME=]DATA")
    return parser.parse_args(argv)


def pool(members: Sequence[Member], classes: ClassMap, folds: str, out: Path) -> dict[str, Any]:
    """Write OUT and return corpus.json.

    Raises:
        UserError: a class that no corpus has, features of different dimensions, identical audio in two parts of a fold.
    """
    from steps.data.cross_protocol import Own, cross_split
    from steps.data.cuts import write_cuts
    from steps.data.dataset import CORPUS, CUTS, item_of_cut
    from steps.data.derived import OF_AUDIO
    from steps.data.pool_members import check_audio, check_classes, check_features
    from steps.data.split_checks import check_split
    from steps.data.splits import wholes, write_splits
    from steps.data.trained_on import TRAINED_ON, read_training, write_training

    label = members[0].data.target().field
    cuts = [cut for member in members for cut in pooled_cuts(member, label)]
    warnings = check_features(cuts) + check_classes(members, classes)
    items = {cut["id"]: item_of_cut(cut) for cut in cuts}
    speakers_known = all(item.speaker is not None for item in items.values())
    of = wholes(members[0].data.targets)
    split, notes = cross_split([Own(member.name, frozenset(member.kept.values()), member.own, member.kept)
                                for member in members], folds, of, speakers_known)
    check_split(split, items, of, label)
    info = describe_pool(members, classes, items, out.resolve().name) | {
        "warnings": warnings + notes + check_audio(members, split, items), "speakers_known": speakers_known,
        "protocols": [split.name]}
    records = [record for member in members if (path := member.data.path / TRAINED_ON).is_file()
               for record in read_training(path) or ()]
    out.mkdir(parents=True, exist_ok=True)
    for name in (CUTS, *OF_AUDIO, TRAINED_ON):
        (out / name).unlink(missing_ok=True)
    if records:
        write_training(out, records)
    write_json(out / CORPUS, info)
    write_splits(out, [split])
    write_cuts(out / CUTS, cuts)
    return info


def describe_pool(members: Sequence[Member], classes: ClassMap, items: dict[str, Any], name: str) -> dict[str, Any]:
    """The part of corpus.json that the corpora and the utterances give."""
    from steps.data.pool_members import about
    from steps.data.prepare import describe
    from utils.corpus import Corpus

    first, infos = members[0].data, [member.data.info for member in members]
    languages = {info.get("language") for info in infos}
    target = dataclasses.replace(first.target(), classes=classes.classes, positive=None)
    corpus = Corpus(name, (target,), source="; ".join(
        f"{member.name}: {member.data.info.get('source') or 'unknown'}" for member in members),
        language=languages.pop() if len(languages) == 1 else None,
        synthetic=all(info.get("synthetic") for info in infos))
    converted = sum((Counter(info.get("converted") or {}) for info in infos), Counter())
    sizes = [info["size"] for info in infos if info.get("size", "full") != "full"]
    return {**describe(corpus, items), "size": (sizes or ["full"])[0], "converted": dict(sorted(converted.items())),
            "missing": [f"{member.name}: {line}" for member in members
                        for line in member.data.info.get("missing") or ()],
            KEY: {member.name: about(member, classes) for member in members}}


def pooled_cuts(member: Member, label: str) -> Iterable[dict[str, Any]]:
    """The cuts of a corpus as the pool has them; notes in `member` which stay and which do not."""
    from steps.data.class_map import map_votes
    from steps.data.derived import read_cuts
    from steps.data.fields import check_id
    from utils.corpus import UNLABELLED
    from utils.names import plain_name

    def named(value: Any) -> str:
        return f"{member.name}.{value}"

    for cut in read_cuts(member.data):
        supervision, key = cut["supervisions"][0], cut["id"]
        custom = dict(supervision.get("custom") or {})
        own = plain_name(str(custom.get(label, UNLABELLED)))
        common = member.labels.get(own) if own != UNLABELLED else None
        if common is None:
            member.left_out[own] += 1
            continue
        member.kept[key] = named(key)
        check_id(named(key), f"{member.data.path}: utterance {key}")
        custom |= {name: named(custom[name]) for name in CUSTOM if custom.get(name) is not None}
        custom |= {"corpus": member.name, label: common}
        if "emotion_votes" in custom:
            custom["emotion_votes"] = map_votes(custom["emotion_votes"], member.labels) or None
        supervision |= {name: named(supervision[name]) for name in SUPERVISION if supervision.get(name) is not None}
        supervision |= {"id": named(key), "recording_id": named(key), "custom": {
            name: value for name, value in sorted(custom.items()) if value is not None}}
        for source, name in (("recording", "id"), ("features", "recording_id")):
            if cut.get(source):
                cut[source] = {**cut[source], name: named(key)}
        yield {**cut, "id": named(key)}


if __name__ == "__main__":
    sys.exit(run_main(main))
