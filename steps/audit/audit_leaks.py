"""Audit a protocol for leaks: what its test parts share with train and dev, what dev and test share with that which the
recognizer, the i-vectors, the models that training starts from and those that embeddings are read of were trained on,
and whether a subsystem trained on permuted labels falls to chance. Writes EXP/audit/<protocol>.json; exit status 1 on
a leak.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from utils.arguments import ArgumentParser, add_leave_out
from utils.errors import run_main
from utils.files import write_json

SAYS = {"none": "none", "leak": "LEAK", "told": "shared", "declared": "shared, as the protocol declares",
        "partly": "none that is known", "unknown": "not known"}


def main(argv: Sequence[str] | None = None) -> int:
    parser = ArgumentParser("audit_leaks.sh", description=__doc__,
                            formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--protocol", required=True)
    parser.add_argument("--permuted", type=Path, metavar="DIR",
                        help="EXP/<name>/<protocol> of a subsystem trained with --permute-labels")
    parser.add_argument("--trained-on", type=Path, action="append", default=[], metavar="PATH",
                        help="directory or JSON file of a component trained elsewhere (recognizer, language model, "
                        "i-vector extractor); may be repeated. Those that DATA names are held against it anyhow")
    parser.add_argument("--sentences-may-be-shared", action="store_true",
                        help="sentences that such a component was trained on are told, and are no leak")
    add_leave_out(parser)
    parser.add_argument("data", type=Path, metavar="DATA")
    parser.add_argument("exp", type=Path, metavar="EXP")
    arguments = parser.parse_args(argv)
    from steps.audit import embeddings, leaks, permuted, trained_on
    from steps.data.dataset import Dataset
    from steps.scoring.audited import audit_of, identity, origins
    from steps.subsystems.initialization import started_from

    data = Dataset.open(arguments.data)
    split = data.split(arguments.protocol)
    audit_of(arguments.exp, split.name).unlink(missing_ok=True)
    found: dict[str, Any] = {"corpus": data.name, **leaks.audit(data, split)}
    found["permuted"] = [] if arguments.permuted is None else permuted.check(data, split, arguments.permuted)
    started = {str(directory): started_from(directory) for directory in sorted(arguments.exp.glob(f"*/{split.name}"))
               if directory.parent.name not in arguments.leave_out}
    outside = trained_on.audit_components(data, split, arguments.trained_on, arguments.sentences_may_be_shared, started)
    read = embeddings.audit_embeddings(data, split, arguments.exp, arguments.leave_out)
    found |= {"components": [*outside["components"], *read], "unknown_training": outside["unknown"]}
    found["leaks"] += [*outside["leaks"], *trained_on.leak_lines(read)]
    failures = [*found["leaks"], *(
        "{system} was trained on permuted labels and reaches {metric} {value}; chance is {chance}, at most {high}: "
        "labels reach it by another way".format(**told(entry))
        for entry in found["permuted"] if not entry["passed"])]
    found["passed"] = not failures
    print(show(found))
    found["of"] = identity(data, split.name) | origins(data, subsystems(arguments.exp, split.name))
    write_json(audit_of(arguments.exp, split.name), found)
    for line in failures:
        print(f"error: leak in {data.name}, {split.name}: {line}", file=sys.stderr)
    return 1 if failures else 0


def subsystems(exp: Path, protocol: str) -> list[dict[str, Any]]:
    """What each trained subsystem of a protocol says of itself (subsystem.json)."""
    from steps.scoring.collect import read_plans

    return [{"subsystem": directory.parent.name, **plan}
            for directory in sorted(exp.glob(f"*/{protocol}")) for plan in reversed(read_plans(directory))]


def show(found: Mapping[str, Any]) -> str:
    """The audit for a person."""
    from steps.audit import leaks

    lines = [f"{found['corpus']}, {found['protocol']}: what the test parts share with train and dev"]
    for entry in found["overlaps"]:
        share = f", {entry['affected']} of {entry['tested']} test utterances " \
                f"({100 * entry['affected'] / entry['tested']:.1f} %), {entry['shared']} different" \
            if entry["affected"] else ""
        unknown = f"; {leaks.told_unknown(entry)}" if entry["unknown"] and entry["verdict"] != "unknown" else ""
        lines.append(f"  {entry['kind']:<10} test / {entry['with']:<6} {SAYS[entry['verdict']]}{share}{unknown}")
    lines += show_components(found)
    for entry in found["permuted"]:
        on = "" if entry["part"] == "test" else f" on {entry['part']}"
        verdict = "at chance" if entry["passed"] else "LEAK"
        lines.append("  permuted labels, {system}: {metric} {value}{on}, chance {chance} [{low}, {high}]: {verdict}"
                     .format(**told(entry), on=on, verdict=verdict))
    return "\n".join(lines)


def told(entry: Mapping[str, Any]) -> dict[str, str]:
    """An entry of `permuted` as text: UA in percent, or CCC of a track (then the system's name has the track's)."""
    from steps.scoring.cells import shown

    metric = entry.get("metric", "UA")
    show = shown(metric)
    return {"system": entry["system"] + (f", {entry['target']}" if metric != "UA" else ""), "metric": metric,
            "value": show(entry[metric]), **{name: show(entry[name]) for name in ("chance", "low", "high")}}


def show_components(found: Mapping[str, Any]) -> list[str]:
    """What was trained elsewhere, one line each: the kinds that dev and test share with it."""
    by_record: dict[tuple[str, str], list[str]] = {}
    for entry in found["components"]:
        lines = by_record.setdefault((entry["component"] or entry["source"], entry["corpus"]), [])
        if entry["verdict"] != "none":
            share = f", {entry['affected']} of {entry['tested']} utterances" if entry["affected"] else ""
            says = "it does not say" if entry["verdict"] == "unknown" else SAYS[entry["verdict"]]
            lines.append(f"{entry['kind']} / {entry['with']} {says}{share}")
    told = [f"  {component}, trained on {corpus}: "
            + ("; ".join(lines) or "no speaker, recording or sentence of dev or test")
            for (component, corpus), lines in by_record.items()]
    return told + [f"  {path} does not say what it was trained on" for path in found["unknown_training"]]


if __name__ == "__main__":
    sys.exit(run_main(main))
