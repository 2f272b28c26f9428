"""Every number of every configuration has a range, and what lies beyond, is empty or is no number is one line."""

import dataclasses
import importlib
import math
import re
import typing

import pytest

from utils.config import from_dict
from utils.errors import UsageError
from utils.files import ROOT

MODULES = sorted(path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".")
                 for room in ("steps", "utils") for path in (ROOT / room).rglob("*.py")
                 if re.search(r"^    \w+: .* = option\(", path.read_text(encoding="utf-8"), re.MULTILINE)
                 and path.name != "fields.py")


def options():
    """(class, field, its type) of all that has options."""
    for name in MODULES:
        for kind in vars(importlib.import_module(name)).values():
            if not dataclasses.is_dataclass(kind) or kind.__module__ != name:
                continue
            if fields := [field for field in dataclasses.fields(kind) if "choices" in field.metadata]:
                hints = typing.get_type_hints(kind)
                yield from ((kind, field, hints[field.name]) for field in fields)


def numbers(hint):
    return [kind for kind in (hint, *typing.get_args(hint), *(inner for one in typing.get_args(hint)
                                                              for inner in typing.get_args(one)))
            if kind in (int, float)]


def test_every_number_has_a_range():
    found = list(options())
    assert len({kind for kind, _, _ in found}) > 20
    without = [f"{kind.__module__}.{kind.__name__}.{field.name}" for kind, field, hint in found
               if numbers(hint) and str not in typing.get_args(hint) and not field.metadata["choices"]
               and (field.metadata["max"] is None or field.metadata["min"] is None is field.metadata["above"])]
    assert without == []


def test_no_number_takes_what_is_far_beyond_or_none():
    for kind, field, hint in options():
        if not numbers(hint) or str in typing.get_args(hint):
            continue
        for wrong in (math.nan, math.inf, -math.inf, 10**12, -10**12, 1e12):
            value = [wrong] if typing.get_origin(hint) is list else \
                {"emotion": wrong} if typing.get_origin(hint) is dict else wrong
            with pytest.raises(UsageError, match=rf"^--set x: {field.name}(\.emotion)? is .*; accepted: "):
                from_dict(kind, {field.name: value}, {field.name: "--set x"})


@pytest.mark.parametrize(("words", "says"), [
    ("linear_svm C=[]", "C is []; accepted: at least 1 entry"),
    ("linear_svm C=[0]", "C is 0.0; accepted: above 0.0, at most 1000000.0"),
    ("text_svm C=[.inf]", "C is inf; accepted: a finite number"),
    ("random_forest min_leaf=[]", "min_leaf is []; accepted: at least 1 entry"),
    ("random_forest trees=0", "trees is 0; accepted: 1 to 100000"),
    ("multitask_dnn model.trunk=[10000000000]", "model.trunk is 10000000000; accepted: 1 to 65536"),
    ("multitask_dnn model.tasks={}", "model.tasks is {}; accepted: at least 1 entry"),
    ("multitask_dnn training.epochs=0", "training.epochs is 0; accepted: 1 to"),
    ("multitask_dnn training.optimizer.learning_rate=0", "learning_rate is 0.0; accepted: above 0"),
    ("multitask_dnn training.optimizer.learning_rate=1e10", "learning_rate is 10000000000.0; accepted: above 0"),
    ("attention_rnn model.hidden=1e10", "model.hidden is '1e10'; accepted: a value of type int"),
    ("attention_rnn model.dropout=.nan", "model.dropout is nan; accepted: a finite number"),
    ("attention_rnn model.steps_back=[]", "model.steps_back is []; accepted: at least 1 entry"),
    ("pyresnet frames.max_crop=-1", "frames.max_crop is -1; accepted: 0 to"),
])
def test_a_setting_that_cannot_work_names_key_and_accepted_values(words, says):
    from steps.subsystems.contract import load_experiment_config

    name, setting = words.split()
    with pytest.raises(UsageError) as raised:
        load_experiment_config(name, [setting])
    assert says in str(raised.value) and f"--set {setting}" in str(raised.value)


def test_the_configurations_of_the_repository_are_within_their_ranges():
    from steps.features import registry
    from steps.subsystems.contract import SPECS, load_experiment_config
    from utils.config import read_yaml

    for path in sorted((ROOT / "conf").glob("*.yaml")):
        content = read_yaml(path)
        if content.get("kind") in SPECS:
            load_experiment_config(path.stem)
        elif content.get("extractor") in registry.EXTRACTORS:
            registry.create(path.stem)
