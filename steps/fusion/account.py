"""EXP/fusion/<protocol>.json: what was fused, which fusion is primary and why, weights, and the ablation.

    target, metric        what is predicted; by which metric fusions are compared (MAF, or CCC of predictions)
    named, missing        the subsystems that were asked for; {"subsystem", "variant", "why"} of those not there
    held_out              what is left out together when a fusion is judged on dev (see groups.py)
    variants              {variant: {"subsystems": [[name, variant], ...], "folds", "seeds"}}
    candidates            {"how", "variant", "dev", "test"}: metrics pooled over folds, mean over seeds, best first. On
                          dev every item is scored by weights that have not seen it.
    single                the same of each subsystem alone
    primary               {"how", "variant", "subsystem", "why"}: the best candidate on dev, before test is looked at
    weights               {how: {variant: {"mean", "min", "max" over folds, "folds": {fold: weights}}}}
    ablation              of the primary: {"without", "dev", "test", ...}: fitted again without one subsystem; rows of
                          figures and summaries as in RESULTS.json, "paired" against the whole fusion
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from steps.fusion.combine import HOWS
from steps.fusion.inputs import Ensemble, Found
from steps.fusion.runs import Fused, Key, Parts, mean_metrics, single, without
from steps.scoring.cells import shown
from steps.scoring.results import adjust_tests
from steps.scoring.summary import Summary, compare, figures, plain
from utils.corpus import Target

MAIN = {"class": "MAF", "number": "CCC", "track": "CCC"}  # by kind of target


def choose(candidates: Sequence[Fused]) -> Fused:
    """The best main metric on dev; on a tie the way with the least fitted, then the variant that was named first."""
    main = MAIN[candidates[0].target.kind]
    return min(candidates, key=lambda fused: (-round(fused.dev[main], 6), HOWS.index(fused.how),
                                              candidates.index(fused)))


def absent(entry: Mapping[str, str | None]) -> str:
    """An entry of `missing` in words: "svm has no norm-speaker", "text has no asr-text in norm-speaker"."""
    at = entry["variant"]
    return f"{entry['subsystem']} {entry['why']}" + (f" in {at}" if at and not str(entry["why"]).endswith(at) else "")


def account(protocol: str, named: Sequence[str], found: Found, held_out: Sequence[str], candidates: Sequence[Fused],
            inputs: Mapping[str, Mapping[Key, Parts]], ablate: bool = True) -> dict[str, Any]:
    """The content of the file."""
    primary = choose(candidates)
    target, main = primary.target, MAIN[primary.target.kind]
    ordered = sorted(candidates, key=lambda fused: (fused is not primary, -fused.dev[main]))
    return {
        "protocol": protocol, "target": target.name, "metric": main, "classes": list(target.classes),
        "named": list(dict.fromkeys(named)),
        "missing": found.missing, "held_out": list(held_out),
        "variants": {ensemble.variant: {"subsystems": [list(name) for name in ensemble.names],
                                        "folds": list(ensemble.folds), "seeds": list(ensemble.seeds)}
                     for ensemble in found.ensembles},
        "primary": {"how": primary.how, "variant": primary.variant, "subsystem": name_of(primary.how),
                    "why": why(primary, candidates)},
        "candidates": [{"how": fused.how, "variant": fused.variant, "subsystem": name_of(fused.how), "dev": fused.dev,
                        "test": mean_metrics(fused.summary("test"))} for fused in ordered],
        "single": [entry for ensemble in found.ensembles
                   for entry in singles(target, ensemble, inputs[ensemble.variant])],
        "weights": weights(candidates),
        "whole": {part: row_of(primary.summary(part)) for part in ("dev", "test")},
        "ablation": ablation(primary) if ablate else []}


def name_of(how: str) -> str:
    """The name of a way of fusing among the subsystems."""
    return f"fusion_{how}"


def why(primary: Fused, candidates: Sequence[Fused]) -> str:
    """One sentence."""
    main = MAIN[primary.target.kind]
    words = f"best {main} on dev ({shown(main)(primary.dev[main])}) of {len(candidates)} fusions"
    ties = [fused for fused in candidates
            if fused is not primary and round(fused.dev[main], 6) == round(primary.dev[main], 6)]
    if ties:
        names = ", ".join(f"{name_of(fused.how)}/{fused.variant}" for fused in ties)
        words += f"; {names} is as good, and is fitted no less"
    return words


def singles(target: Target, ensemble: Ensemble, inputs: Mapping[Key, Parts]) -> list[dict[str, Any]]:
    """Dev and test metrics of each subsystem of an ensemble alone."""
    return [{"subsystem": name, "variant": variant, "in": ensemble.variant,
             **{part: single(target, member, inputs, part) for part in ("dev", "test")}}
            for member, (name, variant) in enumerate(ensemble.names)]


def weights(candidates: Sequence[Fused]) -> dict[str, Any]:
    """{how: {variant: ...}}, numbers in the order of the variant's subsystems."""
    found: dict[str, Any] = {}
    for fused in candidates:
        folds = sorted({fold for fold, _ in fused.runs})
        values = fused.weights
        found.setdefault(fused.how, {})[fused.variant] = {
            "subsystems": [list(name) for name in fused.members],
            **{name: [plain(value) for value in getattr(values, name)(axis=0)] for name in ("mean", "min", "max")},
            "folds": {str(fold): [plain(value) for value in line] for fold, line in zip(folds, values, strict=True)}}
    return found


def ablation(primary: Fused) -> list[dict[str, Any]]:
    """What is lost on dev and test without each subsystem."""
    whole = {part: primary.summary(part) for part in ("dev", "test")}
    lines = []
    for member, (name, _) in enumerate(primary.members):
        left = without(primary, member)
        line: dict[str, Any] = {"without": name}
        for part in ("dev", "test"):
            summary = left.summary(part)
            line[part] = row_of(summary)
            tests = compare(summary, whole[part])
            if tests is not None:
                line[part]["paired"] = tests
        lines.append(line)
    for part in ("dev", "test"):
        adjust_tests(line[part]["paired"] for line in lines if "paired" in line[part])
    return lines


def row_of(summary: Summary) -> dict[str, Any]:
    """Figures of a summary, and the summary, from which they follow."""
    kept = figures(summary)
    return {name: value for name, value in kept.items() if name != "per_class"} | {"summary": summary.to_json()}
