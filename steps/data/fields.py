"""The registered fields (conf/fields.yaml, and what a corpus adds): names, types, ranges."""

from __future__ import annotations

import difflib
import json
import math
import numbers
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from utils.config import from_dict, option, read_yaml
from utils.corpus import UNLABELLED
from utils.errors import UserError
from utils.files import ROOT
from utils.names import MISSING, plain_name

FIELDS_FILE = ROOT / "conf" / "fields.yaml"
TYPES = ("str", "text", "int", "float", "bool", "path", "counts", "nbest", "words")
# An id becomes a table cell, a key of an archive and a word in a log: letters and digits of any script, and - _ . + @
SAFE_ID = re.compile(r"[\w@+-][\w.@+-]*")
LONGEST_ID = 200


@dataclass(frozen=True)
class FieldSpec:
    """What one field may hold; the keys are explained in conf/fields.yaml."""

    type: str = option("str", choices=TYPES)
    moves: bool = False
    min: float | None = None
    max: float | None = None
    choices: list[Any] = field(default_factory=list)
    aliases: dict[str, Any] = field(default_factory=dict)
    native: bool = False
    help: str = ""

    def accepted(self) -> str:
        """For messages: what a value may be."""
        if self.choices:
            return ", ".join(map(str, self.choices))
        if self.min is None and self.max is None:
            return f"a value of type {self.type}"
        limits = (f"{self.min:g} to {self.max:g}" if None not in (self.min, self.max)
                  else f"at least {self.min:g}" if self.max is None else f"at most {self.max:g}")
        return f"{self.type}, {limits}"


def load_fields(extra: Mapping[str, Mapping[str, Any]] | None = None) -> dict[str, FieldSpec]:
    """The registry, with a corpus's own fields.

    Raises:
        UserError: a description that is wrong.
    """
    described: dict[str, Any] = {**read_yaml(FIELDS_FILE), **(extra or {})}
    registry = {}
    for name, values in described.items():
        where = "the corpus module's fields" if extra and name in extra else str(FIELDS_FILE)
        registry[name] = from_dict(FieldSpec, dict(values), {key: f"{where}, field {name}" for key in values})
    return registry


def check_name(registry: Mapping[str, FieldSpec], name: str, where: str, also: Iterable[str] = ()) -> None:
    """
    Args:
        also: further names that are accepted here (columns of a table), for the suggestion.

    Raises:
        UserError: `name` is not registered; suggests the nearest.
    """
    if name in registry:
        return
    near = difflib.get_close_matches(name, [*registry, *also], n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}? " if near else ""
    raise UserError(f"{where}: unknown field {name!r}; {hint}registered fields stand in conf/fields.yaml, "
                    f"a corpus module may add its own")


def missing_word(spec: FieldSpec, value: Any, names: Collection[str] = ()) -> str | None:
    """The word that says that there is no value: nan, None, NA, null ... (utils/names.py); None where there is one.

    Args:
        names: declared classes, which are names whatever they look like; so are choices and aliases of the field.
    """
    if isinstance(value, numbers.Real) and value != value:
        return "nan"
    if spec.type == "text" or not isinstance(value, str):
        return None
    word = plain_name(value)
    return word if word in MISSING and word not in {*names, *map(str, spec.choices), *spec.aliases} else None


def check_value(spec: FieldSpec, name: str, value: Any, where: str) -> Any:
    """The value in its own type, ready for JSON; text from a table is converted, and names are plain (utils/names.py).

    Raises:
        UserError: wrong type or out of range.
    """
    if isinstance(value, str):
        value = value if spec.type == "path" else value.strip() if spec.type == "text" else plain_name(value)
        value = spec.aliases.get(value, value)
    if value == UNLABELLED:
        return value
    if spec.moves and (isinstance(value, Mapping) or (isinstance(value, str) and value.startswith("{"))):
        return _check_sequence(spec, name, _from_json(value, name, where), where)
    converted = _convert(spec, value)
    if converted is None:
        raise UserError(f"{where}: {name} is {value!r}; accepted: {spec.accepted()}")
    return converted


def _convert(spec: FieldSpec, value: Any) -> Any:
    """The value in spec's type; None if it does not fit."""
    if spec.type == "counts":
        return _convert_counts(value)
    if spec.type == "nbest":
        return _convert_nbest(value)
    if spec.type == "words":
        return _convert_words(value)
    if spec.type in ("str", "text", "path"):
        if spec.type == "str" and isinstance(value, numbers.Real) and not isinstance(value, bool):
            value = str(int(value)) if float(value).is_integer() else None  # a speaker's or session's number
        converted: Any = str(value) if isinstance(value, (str, Path)) else None
    elif spec.type == "bool":
        converted = value if isinstance(value, bool) else {"yes": True, "true": True, "no": False,
                                                           "false": False}.get(str(value).lower())
    elif isinstance(value, bool):
        return None
    else:
        try:
            number = float(value)
        except (TypeError, ValueError):
            return None
        if not math.isfinite(number) or (spec.type == "int" and number != int(number)):
            return None
        converted = int(number) if spec.type == "int" else number
        if (spec.min is not None and number < spec.min) or (spec.max is not None and number > spec.max):
            return None
    return None if spec.choices and converted not in spec.choices else converted


def _convert_counts(value: Any) -> dict[str, float] | None:
    if isinstance(value, str):  # "angry:3 sad:1", or "angry angry sad"
        counts: dict[str, float] = {}
        for word in value.split():
            label, _, number = word.rpartition(":")
            try:
                counts[label or word] = counts.get(label or word, 0) + (float(number) if label else 1)
            except ValueError:
                return None
        value = counts
    if not isinstance(value, Mapping) or not value:
        return None
    fits = all(isinstance(n, (int, float)) and math.isfinite(n) and n >= 0 for n in value.values())
    return {plain_name(str(label)): number for label, number in value.items()} if fits else None


def _convert_nbest(value: Any) -> list[list[Any]] | None:
    """[[text, log-posterior], ...], or the same as JSON."""
    try:
        pairs = [[text, float(number)] for text, number in (json.loads(value) if isinstance(value, str) else value)]
    except (TypeError, ValueError):
        return None
    return pairs if all(isinstance(text, str) and -math.inf < number <= 0 for text, number in pairs) else None


def _convert_words(value: Any) -> list[list[Any]] | None:
    """[[word, start, end, confidence], ...] in seconds, or the same as JSON."""
    try:
        words = [[word, float(start), float(end), float(sure)]
                 for word, start, end, sure in (json.loads(value) if isinstance(value, str) else value)]
    except (TypeError, ValueError):
        return None
    fits = all(isinstance(word, str) and 0 <= start <= end < math.inf for word, start, end, _ in words)
    return words if fits else None


def _from_json(value: Any, name: str, where: str) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError as error:
        raise UserError(f"{where}: {name} is not valid JSON ({error})") from error


def _check_sequence(spec: FieldSpec, name: str, value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, Mapping) or set(value) != {"step", "values"}:
        raise UserError(f'{where}: {name} must be {{"step": seconds, "values": [numbers]}}')
    try:
        step, values = float(value["step"]), [float(number) for number in value["values"]]
    except (TypeError, ValueError) as error:
        raise UserError(f"{where}: {name}: step and values must be numbers ({error})") from error
    if not (math.isfinite(step) and step > 0):
        raise UserError(f"{where}: {name}: the step is {step:g} s; it must be more than 0")
    if not values:
        raise UserError(f"{where}: {name}: the sequence is empty")
    for place, number in enumerate(values):
        low, high = spec.min is not None and number < spec.min, spec.max is not None and number > spec.max
        if not math.isfinite(number) or low or high:
            raise UserError(f"{where}: {name}: value {place} is {number}; accepted: {spec.accepted()}")
    return {"step": step, "values": values}


def checked_id(key: Any, where: str) -> str:
    """The id as a plain name.

    Raises:
        UserError: an id that could not stand in a table or a log.
    """
    key = plain_name(key) if isinstance(key, str) else key
    check_id(key, where)
    return key


def check_id(key: Any, where: str) -> None:
    """
    Raises:
        UserError: an id that could not stand in a table or a log.
    """
    if not isinstance(key, str) or not SAFE_ID.fullmatch(key) or len(key) > LONGEST_ID:
        raise UserError(f"{where}: the id {key!r} cannot be used: letters, digits and - _ . + @ only, at most "
                        f"{LONGEST_ID} of them, not starting with a dot; safe_ids of utils/corpus.py makes ids of any "
                        "names")
