"""Decode and check a data set, print a summary, write what was found beside it:

    validation.json    numbers that the report draws, and warnings
    sound.tsv          what is to be said of single utterances (silence, channels that cancel, ...), if anything is
    duplicates.tsv     every group of utterances that have the same sound (steps/data/same_sound.py)
    audio_hashes.tsv   id, sha256 of the decoded samples (of given features or images, where there is
                       no audio), whatever the container; of identical audio each id has the hash of
                       the first
    fingerprints.npz   coarse fingerprints of the sound (steps/data/fingerprint.py), for the leak audit

Found is the same sound under another gain (-20 dB), shifted, with cut ends, at another rate or in another encoding; not
found is sound under a second, in another speed or pitch, or coded at 8 kbit/s. The same sound in two parts of a fold is
an error.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from utils.arguments import ArgumentParser, count
from utils.corpus import OF, learned_target
from utils.errors import UserError, run_main
from utils.files import write_json, write_text
from utils.printable import printable

if TYPE_CHECKING:
    from steps.data.dataset import Dataset, Item
    from steps.data.dataset import Sequence as LabelSequence
    from steps.data.duplicates import Print
    from steps.data.splits import Split

UNKNOWN = "unknown"
BINS = 40


def check_tracks(data: Dataset) -> list[str]:
    """A warning for each track that is not as long as its utterance (two steps are allowed)."""
    warnings = []
    for target in (target for target in data.targets if target.kind == "track"):
        for item in data.items.values():
            track: LabelSequence | None = item.value(target)  # type: ignore[assignment]
            if track is None:
                continue
            length = track.step * len(track.values)
            if abs(length - item.duration) > 2 * track.step + 1e-6:
                warnings.append(f"{item.id}: its {target.name} lasts {length:g} s, the utterance "
                                f"{item.duration:g} s")
    return warnings


def summarize(data: Dataset) -> dict[str, Any]:
    """Counts over the items, as they go into validation.json; "label" and "classes" are of the default target."""
    import numpy

    from steps.data.images import IMAGES
    from steps.data.splits import wholes

    target = learned_target(data.targets)
    values = {item.id: item.value(target) for item in data.items.values()}
    items = list(data.items.values())
    silent = [item for item in items if item.path is None and item.features is None]
    durations = numpy.array([item.duration for item in items])
    counts, edges = numpy.histogram(durations, bins=BINS)
    table: dict[str, Counter[str]] = defaultdict(Counter)
    for item in items:
        if values[item.id] in target.classes:
            table[item.speaker or UNKNOWN][str(values[item.id])] += 1
    classes = Counter(values.values()) if target.classes else {}
    result: dict[str, Any] = {
        "utterances": len(items), "hours": round(float(durations.sum()) / 3600, 4),
        "durations": {name: round(float(value), 4) for name, value in (
            ("min", durations.min()), ("median", numpy.median(durations)), ("mean", durations.mean()),
            ("max", durations.max()))},
        "duration_histogram": {"edges": [round(float(edge), 4) for edge in edges], "counts": counts.tolist()},
        "classes": {name: classes[name] for name in target.classes},
        "unlabelled": sum(value is None for value in values.values()),
        "genders": dict(sorted(Counter(item.gender or UNKNOWN for item in items).items())),
        "speakers": dict(sorted(Counter(item.speaker or UNKNOWN for item in items).items())),
        "class_by_speaker": {speaker: {name: row[name] for name in target.classes}
                             for speaker, row in sorted(table.items())},
        "sampling_rates": dict(sorted(Counter(str(item.sampling_rate) for item in items if item.path).items())),
        "converted": data.info.get("converted", {}),
        "features_only": sum(item.path is None and item.features is not None for item in items),
        "images_only": sum(bool(item.fields.get(IMAGES)) for item in silent),
        "text_only": sum(not item.fields.get(IMAGES) for item in silent),
    }
    for of in wholes(data.targets):
        result[f"{of}s"] = len(data.groups(of))
    numbers = [value for value in values.values() if isinstance(value, float)]
    if numbers:
        result["label"] = {"min": min(numbers), "mean": round(sum(numbers) / len(numbers), 4), "max": max(numbers)}
    return result


def validate(data: Dataset, nj: int) -> dict[str, Any]:
    """Check everything, write the files that the module's text names, and return validation.json.

    Raises:
        UserError: a recording or split that cannot be used; the earlier validation.json is removed.
    """
    from steps.data import confounds
    from steps.data.audio import warnings_of
    from steps.data.listen import listen
    from steps.data.prepare import report
    from steps.data.split_checks import check_split, describe_split
    from steps.data.splits import wholes

    (data.path / "validation.json").unlink(missing_ok=True)
    items = data.items
    if not items:
        raise UserError(f"{data.path} has no utterances")
    decoded = listen(items, nj)
    report([result.problem for result in decoded.values() if result.problem], "utterances cannot be used")
    splits = [data.split(name) for name in data.protocols]
    for split in splits:
        check_split(split, items, wholes(data.targets), data.learned)
    prints = {key: result.print for key, result in decoded.items() if result.print is not None}
    sound, duplicates = compare_sounds(data, prints, splits)
    heard = warnings_of({key: result.remarks for key, result in decoded.items()}, len(items), "utterances",
                        data.path / "sound.tsv")
    warnings = [*data.info.get("warnings", []), *heard, *duplicates, *check_recordings(splits, items),
                *check_tracks(data), *confounds.warnings_of(data)]
    protocols = {}
    for split in splits:
        folds, notes = describe_split(split, items, learned_target(data.targets))
        warnings += notes
        protocols[split.name] = {"description": split.description, "speaker_overlap": split.speaker_overlap,
                                 "folds": folds}
    result = {"name": data.name, **summarize(data), "sound": sound,
              "confounds": [found.to_json() for found in confounds.confounds(
                  data, learned_target(data.targets))], "protocols": protocols,
              "warnings": warnings}
    write_json(data.path / "validation.json", result)
    return result


def compare_sounds(data: Dataset, prints: Mapping[str, Print],
                   splits: Sequence[Split]) -> tuple[dict[str, Any], list[str]]:
    """Look for the same sound under several ids; write duplicates.tsv, audio_hashes.tsv and fingerprints.npz.

    Returns:
        {"compared", "too_short", "groups"}, and warnings.

    Raises:
        UserError: the same sound in two parts of a fold.
    """
    from steps.data import fingerprint
    from steps.data.audio import read_audio
    from steps.data.duplicates import find_identical
    from steps.data.prepare import report
    from steps.data.same_sound import LIST, MEND, find_same, judge, listed

    items = data.items
    identical = find_identical(prints,
                               lambda key: read_audio(items[key].path, items[key].start, items[key].duration)[0])
    groups = find_same(items, prints, identical)
    write_text(data.path / LIST, listed(groups, items, data.learned))
    first_of = {key: group[0] for group in identical for key in group}
    write_text(data.path / "audio_hashes.tsv",
               "id\tsha256\n" + "".join(f"{key}\t{prints[first_of.get(key, key)].hash}\n" for key in prints))
    sounds = {key: seen.sound for key, seen in prints.items() if seen.sound is not None}
    fingerprint.save(data.path / fingerprint.FILE, sounds)
    what = next((what for what, attribute in (("audio", "path"), ("features", "features")) if any(
        getattr(item, attribute) is not None for item in items.values())), "images")
    problems, warnings = judge(groups, splits, items, data.learned, what)
    where = f"{data.path / LIST} lists all"
    if problems:
        for line in warnings:
            print(f"warning: {printable(line)}", file=sys.stderr)
        report([f"{line}; mend it with {MEND}, or in the corpus ({where})" for line in problems[:1]]
               if len(problems) == 1 else problems,
               f"groups of the same sound lie across parts; mend it with {MEND}, or in the corpus ({where})")
    compared = sum(sound.comparable for sound in sounds.values())
    return ({"compared": compared, "too_short": len(sounds) - compared, "groups": len(groups)},
            [*warnings, *([f"{len(groups)} groups of the same sound: {where}"] if groups else [])])


def check_recordings(splits: Sequence[Split], items: Mapping[str, Item]) -> list[str]:
    """A warning for each protocol with recordings shared by test and train or dev."""
    from steps.data.recordings import shared_recordings

    warnings = []
    for split in splits:
        if shared := shared_recordings(split, items):
            key, (place, other) = next(iter(sorted(shared.items())))
            tested = len({key for fold in split.folds for key in split.ids(fold, "test")})
            warnings.append(f"protocol {split.name}: {len(shared)} of {tested} test utterances are segments of a "
                            f"recording that train or dev has a segment of, e.g. {key} and {other} ({place})")
    return warnings


def show(data: Dataset, result: Mapping[str, Any]) -> str:
    """The summary for a person."""
    times = result["durations"]
    lines = [f"{result['name']}: {result['utterances']} utterances, {result['hours']:.2f} h"
             + "".join(f", {result[of + 's']} {of}s" for of in OF[1:] if of + "s" in result),
             f"  durations  {times['min']:.2f} s to {times['max']:.2f} s, median {times['median']:.2f} s",
             *(f"  target     {target.name}, one {target.kind} per {target.of}" for target in data.targets)]
    if "label" in result:
        lines.append("  label      {min:g} to {max:g}, mean {mean:g}".format(**result["label"]))
    for title, key in (("classes", "classes"), ("gender", "genders"), ("rates", "sampling_rates"),
                       ("converted", "converted")):
        if result[key]:
            lines.append(f"  {title:<10} " + ", ".join(f"{name} {n}" for name, n in result[key].items()))
    for title, key in (("unlabelled", "unlabelled"), ("no audio", "features_only"),
                       ("images only", "images_only"), ("text only", "text_only")):
        if result[key]:
            lines.append(f"  {title:<10} {result[key]}")
    sound = result["sound"]
    if sound["compared"] or sound["too_short"]:
        short = f", {sound['too_short']} too short to compare" if sound["too_short"] else ""
        lines.append(f"  same sound {sound['groups'] or 'none'} (compared {sound['compared']}{short}; under another "
                     "gain, shift or encoding, not speed)")
    lines += _speaker_table(data, result)
    for name, protocol in result["protocols"].items():
        lines.append(f"  protocol {name}: {protocol['description']}"
                     + (" [speakers shared between parts]" if protocol["speaker_overlap"] else ""))
        for fold in protocol["folds"]:
            parts = ", ".join(f"{part} {fold[part]} ({len(fold[part + '_speakers'])} speakers)"
                              for part in ("train", "dev", "test"))
            lines.append(f"    fold {fold['fold']:>2}: {parts}")
    lines.append(f"  warnings   {len(result['warnings']) or 'none'}")
    return "\n".join(lines)


def _speaker_table(data: Dataset, result: Mapping[str, Any]) -> list[str]:
    """Utterances of each speaker and class; of many speakers only the range."""
    speakers = result["speakers"]
    if set(speakers) == {UNKNOWN}:
        return ["  speakers   unknown"]
    classes = learned_target(data.targets).classes
    if len(speakers) > 30 or not classes:
        return [f"  speakers   {len(speakers)}, {min(speakers.values())} to {max(speakers.values())} utterances each"]
    widths = [max(len(name), 4) for name in classes]
    first = max(8, *map(len, speakers))
    lines = [f"  {'speaker':<{first}}  " + "  ".join(f"{n:>{w}}" for n, w in zip(classes, widths, strict=True))]
    for speaker, total in speakers.items():
        row = result["class_by_speaker"].get(speaker, {})
        cells = "  ".join(f"{row.get(n, 0):>{w}}" for n, w in zip(classes, widths, strict=True))
        lines.append(f"  {speaker:<{first}}  {cells}  = {total}")
    return lines


def main(argv: Sequence[str] | None = None) -> int:
    parser = ArgumentParser("validate_data.sh", description=__doc__,
                            formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nj", type=count, default=2, help="parallel decoders (%(default)s)")
    parser.add_argument("data", type=Path, metavar="DATA_DIR")
    args = parser.parse_args(argv)

    from steps.data.dataset import Dataset

    data = Dataset.open(args.data)
    result = validate(data, args.nj)
    print(show(data, result), flush=True)
    for line in result["warnings"]:  # last, where they are seen
        print(f"warning: {printable(line)}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(run_main(main))
