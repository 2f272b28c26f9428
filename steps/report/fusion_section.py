"""The section about fusion: what is primary and why, weights, and what each subsystem adds. Content -> HTML."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from html import escape as E  # noqa: N812
from typing import Any

from steps.data.variant import Variant
from steps.fusion.account import absent
from steps.report import pictures
from steps.report.cells import td_num, th
from steps.report.content import Content
from steps.scoring.cells import p_value, shown

Account = Mapping[str, Any]  # EXP/fusion/<protocol>.json, see steps/fusion/account.py
SECOND = {"MAF": "UA", "CCC": "MAE"}  # shown beside the metric by which fusions are compared
WAYS = {"equal": "equal weights", "simplex": "weights searched for {metric}, half way to equal ones",
        "logistic": "logistic regression (weights scaled to sum to one; biases of the classes beside them)"}


def fusion_section(content: Content) -> str:
    parts = [fusion_of(account) for account in content.fusions]
    return "<h2>Fusion</h2>" + "".join(parts) if parts else ""


def fusion_of(account: Account) -> str:
    """The fusion of one target."""
    primary = account["primary"]
    held_out = " or ".join(account["held_out"])
    text = (f'<p class="lead">Primary{told_target(account)}: {E(primary["subsystem"])}, {E(primary["variant"])}: '
            f"{E(primary['why'])}. All is fitted on dev, and judged there with each {E(held_out)} scored by weights "
            f"that have not seen it; test figures are reported, never chosen on. {E(against_single(account))}</p>")
    if account["missing"]:
        lacking = "; ".join(map(absent, account["missing"]))
        text += f'<div class="banner warn"><b>Missing in the fusion:</b> {E(lacking)}.</div>'
    picture = pictures.forest_plot(
        [(name, "", mean, (low, high), False) for (name, _), mean, low, high in weights_of(account, primary["how"])],
        "weight in the primary fusion: mean and range over folds", percent=False)
    return (text + f'<div class="grid"><figure>{picture}</figure><div>{candidates_table(account)}</div></div>'
            + "<h3>Weights</h3>" + weights_table(account) + ablation_table(account))


def told_target(account: Account) -> str:
    """" of valence" where a further target is fused."""
    return "" if account["metric"] == "MAF" else f" of {E(account['target'])}"


def weights_of(account: Account, how: str) -> list[tuple[list[str], float, float, float]]:
    """((name, variant), mean, smallest and largest over folds) of each subsystem, in the primary variant."""
    table = account["weights"][how][account["primary"]["variant"]]
    return list(zip(table["subsystems"], table["mean"], table["min"], table["max"], strict=True))


def against_single(account: Account) -> str:
    """How the primary stands to the subsystems that it is made of, on test."""
    variant = account["primary"]["variant"]
    metric, show = account["metric"], shown_as(account["metric"])
    own = account["whole"]["test"]["metrics"].get(metric)
    others = [(entry["test"][metric], entry["subsystem"]) for entry in account["single"]
              if entry["in"] == variant and entry["test"]]
    if own is None or not others:
        return ""
    best, name = max(others)
    above = "is above that of each subsystem; the best of them is" if own > best else "is not above that of"
    return f"On test its {metric}, {show(own)}, {above} {name}, {show(best)}."


def candidates_table(account: Account) -> str:
    """Every way and variant on dev and test, then the single subsystems."""
    primary, metric, body = account["primary"], account["metric"], []
    show = shown_as(metric)
    for entry in [*account["candidates"], *account["single"]]:
        chosen = (entry.get("how"), entry["variant"]) == (primary["how"], primary["variant"])
        tag = ' <span class="tag accent">primary</span>' if chosen else ""
        cells = "".join(td_num(show(entry[part].get(metric)), entry[part].get(metric)) for part in ("dev", "test"))
        body.append(f'<tr class="{"best" if chosen else ""}"><td><span class="name">{E(entry["subsystem"])}</span>{tag}'
                    f'</td><td>{E(Variant.parse(entry["variant"]).short())}</td>{cells}</tr>')
    head = th("System", "") + th("Variant", "") + th(f"{metric} on dev", "num") + th(f"{metric} on test", "num")
    return (f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{"".join(dict.fromkeys(body))}</tbody>'
            "</table></div>")


def weights_table(account: Account) -> str:
    """Weights in the primary variant, one column a way of fusing."""
    hows = [how for how in WAYS if account["primary"]["variant"] in account["weights"].get(how, {})]
    columns = {how: weights_of(account, how) for how in hows}
    body = []
    for place, ((name, variant), *_) in enumerate(columns[hows[0]]):
        cells = ""
        for how in hows:
            _, mean, low, high = columns[how][place]
            cells += td_num(f"{mean:.2f}", mean, f"{low:.2f} to {high:.2f}")
        body.append(f'<tr><td><span class="name">{E(name)}</span></td><td>{E(variant)}</td>{cells}</tr>')
    head = th("Subsystem", "") + th("Variant", "") + "".join(th(how, "num") for how in hows)
    notes = "; ".join(f"{how}: {WAYS[how].format(metric=account['metric'])}" for how in hows)
    return (f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{"".join(body)}</tbody></table></div>'
            f'<p class="note">Mean over folds and seeds, below it the range over folds. {E(notes)}.</p>')


def ablation_table(account: Account) -> str:
    """The primary fusion fitted again without each subsystem."""
    if not account["ablation"]:
        return ""
    main = account["metric"]
    both = (main, SECOND[main])
    lines = [("nothing: the whole fusion", account["whole"])] + [
        (line["without"], line) for line in account["ablation"]]
    body = []
    for name, line in lines:
        cells = ""
        for part in ("dev", "test"):
            row, whole = line[part], account["whole"][part]["metrics"]
            for metric in both:
                show, value, ends = shown_as(metric), row["metrics"].get(metric), row["intervals"].get(metric)
                below = f"{show(ends[0])}–{show(ends[1])}" if ends else ""
                cells += td_num(show(value), value, below)
            change = None if row is account["whole"][part] or not whole else row["metrics"][main] - whole[main]
            p = p_value(row, main)
            told = "" if change is None else f"{change:+.3f}" if main == "CCC" else f"{100 * change:+.1f}"
            cells += td_num(told, change, f"p {p}" if p else "")
        body.append(f'<tr><td><span class="name">{E(name)}</span></td>{cells}</tr>')
    head = th("Without", "") + "".join(th(f"{part}: {what}", "num") for part in ("dev", "test")
                                       for what in (*both, f"{main} less the whole's"))
    return ("<h3>Without one subsystem</h3>"
            f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{"".join(body)}</tbody></table></div>'
            '<p class="note">Fitted again without it. Below: the 95 % interval over speakers; p of the '
            "sign-flip test over speakers against the whole fusion.</p>")


def shown_as(metric: str) -> Callable[[float | None], str]:
    """How a value of a metric is written, with a dash where there is none."""
    show = shown(metric)
    return lambda value: "–" if value is None else show(value)
