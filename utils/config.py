"""YAML configuration as typed dataclasses: an unknown key, a wrong type or a value out of range is one clear line.

`--config NAME` means the defaults `conf/NAME.yaml` at the top level, overlaid by the recipe's own `conf/NAME.yaml`;
`--set key=value` (dotted keys reach nested dataclasses) overlays both.
"""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import math
import shlex
import sys
import types
import typing
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar, Union

from utils import yaml_text
from utils.errors import UsageError, UserError
from utils.files import ROOT, check_regular, write_text
from utils.renamed import present_key, renamed
from utils.shape import check
from utils.text_files import read_text

T = TypeVar("T")


def option(default: Any = dataclasses.MISSING, *, min: Any = None, max: Any = None, above: Any = None,
           least: int = 0, choices: Iterable[Any] = (), help: str = "") -> Any:
    """A dataclass field with a range, a set of choices and a help text.

    Args:
        min, max: both included. above: a lower end that is not. least: entries of a list or mapping. Every number has
            a range (a test sees to it): beyond it lies what can only be a mistake.
    """
    metadata = {"min": min, "max": max, "above": above, "least": least, "choices": tuple(choices), "help": help}
    if isinstance(default, (list, dict, set)):
        return dataclasses.field(default_factory=lambda: type(default)(default), metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def config_files(name: str, recipe: Path | None = None) -> list[Path]:
    """The files that `--config NAME` reads, in order: top-level defaults, then the recipe's own. NAME may be a path.

    Raises:
        UsageError: neither exists.
    """
    if name.endswith((".yaml", ".yml")):
        if not Path(name).is_file():
            raise UsageError(f"--config {name}: no such file")
        return [Path(name)]
    recipe = Path.cwd() if recipe is None else recipe
    candidates = dict.fromkeys([ROOT / "conf" / f"{name}.yaml", (recipe / "conf" / f"{name}.yaml").resolve()])
    found = [path for path in candidates if path.is_file()]
    if not found:
        known = sorted(path.stem for path in (ROOT / "conf").glob("*.yaml"))
        raise UsageError(f"--config {name}: neither conf/{name}.yaml of the recipe nor of the top level exists; "
                         f"there are: {', '.join(known)}")
    return found


def configurations_with(key: str) -> list[str]:
    """The names of the configurations of the top level that have a key; reads no YAML, for lists in help texts."""
    return sorted(path.stem for path in (ROOT / "conf").glob("*.yaml")
                  if f"\n{key}:" in f"\n{path.read_text(encoding='utf-8')}")


def load_config(cls: type[T], name: str, overrides: Iterable[str] = ()) -> T:
    """Read `--config NAME` and `--set` overrides into the dataclass `cls`.

    Args:
        overrides: `key=value`, in order. `size=tiny` stands for the keys of the files' group `tiny:`, which makes the
            component small enough to show in a moment that a recipe works; without it the group means nothing.

    Raises:
        UsageError: naming the key, the file and the accepted values.
    """
    merged: dict[str, Any] = {}
    origin: dict[str, str] = {}
    tiny: dict[str, tuple[Any, str]] = {}
    for path in config_files(name):
        content = read_yaml(path)
        group = content.pop("tiny", None)
        if group is not None and not isinstance(group, Mapping):
            raise UsageError(f"{path}: tiny is {group!r}; expected a group of keys")
        tiny.update({key: (value, f"{path}: tiny") for key, value in _flatten(group or {}).items()})
        for key, value in _flatten(content).items():
            _set(merged, origin, key, value, str(path))
    for text in overrides:
        key, separator, value = text.partition("=")
        if text == "size=tiny":
            for key, (value, where) in tiny.items():
                _set(merged, origin, key, value, where)
            continue
        if not separator:
            raise UsageError(f"--set {text}: expected key=value")
        _set(merged, origin, key.strip(), parse_scalar(value), f"--set {text}")
    return from_dict(cls, _unflatten(merged), origin)


def _set(merged: dict[str, Any], origin: dict[str, str], key: str, value: Any, where: str) -> None:
    """Set a dotted key by its present name; an earlier name gets a note."""
    present = present_key(key)
    if present != key:
        print(f"note: {where}: {key} is now called {present}", file=sys.stderr)
    merged[present], origin[present] = value, where


def read_yaml(path: str | Path, shape: Any = Any, advice: str = "") -> dict[str, Any]:
    """Read a YAML mapping.

    Args:
        shape: what it must look like (utils/shape.py). advice: what to do where it does not.

    Raises:
        UsageError: not YAML, too large, or not a mapping; names file and line. DamagedFile: of another form.
    """
    import yaml

    try:
        check_regular(path, 4 * yaml_text.MOST_CHARACTERS)
        content = yaml_text.load(read_text(path))
    except UserError as error:
        raise UsageError(str(error)) from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        raise UsageError(f"{path}{line}: not valid YAML: {getattr(error, 'problem', None) or error}") from error
    content = {} if content is None else content
    if not isinstance(content, dict):
        raise UsageError(f"{path}: expected a mapping of keys to values")
    check(content, shape, path, advice)
    return content


def write_yaml(path: str | Path, value: Any) -> None:
    """Write a dataclass or mapping as YAML, atomically, keys in their order."""
    import yaml

    plain = dataclasses.asdict(value) if dataclasses.is_dataclass(value) else value
    write_text(path, yaml.safe_dump(_plain(plain), sort_keys=False, allow_unicode=True))


def split_settings(text: str) -> list[str]:
    """The words of `--set "key=value ..."`; in quotation marks and brackets spaces are of the value.

    Raises:
        UsageError: a quotation mark that is not closed.
    """
    try:
        parts = shlex.split(text)
    except ValueError as error:
        raise UsageError(f"--set {text}: {str(error).lower()}; expected KEY=VALUE ..., quoted as in a shell") from error
    words: list[str] = []
    for part in parts:
        if words and sum(words[-1].count(mark) for mark in "{[") > sum(words[-1].count(mark) for mark in "}]"):
            words[-1] += f" {part}"
        else:
            words.append(part)
    return words


def parse_scalar(text: str) -> Any:
    """A command-line value as YAML reads it, and 1e-3 as the number that everybody means."""
    import yaml

    try:
        value = yaml_text.load(text)
    except yaml.YAMLError as error:
        raise UsageError(f"cannot read the value {text!r}") from error
    return value


def from_dict(cls: type[T], values: Mapping[str, Any], origin: Mapping[str, str] | None = None, prefix: str = "",
              where: str | Path = "") -> T:
    """Build the dataclass `cls` from plain values, checking keys, types, ranges and choices.

    Args:
        origin: for each dotted key, the file or option that it came from (for the message).
        where: the file that all others came from.

    Raises:
        UsageError: naming the key, where it came from, and the accepted values.
    """
    origin, where = origin or {}, where or cls.__name__
    values = renamed(values, "" if prefix == "config." else prefix)
    hints = typing.get_type_hints(cls)
    fields = {field.name: field for field in dataclasses.fields(cls) if field.init}  # type: ignore[arg-type]
    arguments: dict[str, Any] = {}
    for key, value in values.items():
        dotted = prefix + str(key)
        source = origin.get(dotted) or next((o for k, o in origin.items() if k.startswith(dotted + ".")), str(where))
        if key not in fields:
            near = difflib.get_close_matches(str(key), fields, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known keys: {', '.join(fields)}"
            raise UsageError(f"{source}: unknown key {dotted}; {hint}")
        hint_type = hints[key]
        group = group_type(hint_type)
        if group is not None and isinstance(value, Mapping):
            arguments[key] = from_dict(group, value, origin, dotted + ".", where)
            continue
        arguments[key] = _convert(value, hint_type, dotted, source)
        _check_range(arguments[key], fields[key], dotted, source)
    missing = [name for name, field in fields.items() if name not in arguments and field.default is dataclasses.MISSING
               and field.default_factory is dataclasses.MISSING]
    if missing:
        raise UsageError(f"{where}: missing key {prefix}{missing[0]}")
    return cls(**arguments)


def has_key(cls: Any, key: str) -> bool:
    """Whether a dotted key, by its present or an earlier name, is one of the dataclass `cls`."""
    name, _, rest = present_key(key).partition(".")
    if name not in {field.name for field in dataclasses.fields(cls)}:
        return False
    hint = typing.get_type_hints(cls)[name]
    group = group_type(hint)
    return not rest or group is None or has_key(group, rest)


def group_type(hint: Any) -> Any:
    """The dataclass of a field that is a group of keys, or a group that may be left out (`Group | None`); else None."""
    return next((kind for kind in (hint, *typing.get_args(hint)) if dataclasses.is_dataclass(kind)), None)


def _check_range(value: Any, field: dataclasses.Field[Any], key: str, where: str) -> None:
    low, high, above = (field.metadata.get(name) for name in ("min", "max", "above"))
    least = field.metadata.get("least") or 0
    if isinstance(value, (list, tuple, Mapping)) and len(value) < least:
        raise UsageError(f"{where}: {key} is {dict(value) if isinstance(value, Mapping) else list(value)}; accepted: "
                         f"at least {least} {'entry' if least == 1 else 'entries'}")
    choices = field.metadata.get("choices") or ()
    several = value.values() if isinstance(value, Mapping) else value if isinstance(value, (list, tuple)) else [value]
    for item in several:
        if item is None:
            continue
        if choices and item not in choices:
            raise UsageError(f"{where}: {key} is {item!r}; accepted: {', '.join(map(str, choices))}")
        # Said so that what is not a number, .nan, is in no range.
        if isinstance(item, (int, float)) and not isinstance(item, bool) and not (
                (low is None or item >= low) and (high is None or item <= high) and (above is None or item > above)):
            limits = f"above {above}, at most {high}" if above is not None else f"{low} to {high}" \
                if None not in (low, high) else f"at least {low}" if high is None else f"at most {high}"
            raise UsageError(f"{where}: {key} is {item!r}; accepted: {limits}")


def _convert(value: Any, wanted: Any, key: str, where: str) -> Any:
    origin, arguments = typing.get_origin(wanted), typing.get_args(wanted)
    if wanted is Any:
        return value
    if origin in (Union, types.UnionType):
        if value is None and type(None) in arguments:
            return None
        errors = []
        for choice in (argument for argument in arguments if argument is not type(None)):
            try:
                return _convert(value, choice, key, where)
            except UsageError as error:
                errors.append(error)
        raise errors[-1]
    if origin in (list, tuple) and isinstance(value, (list, tuple)):
        inner = arguments[0] if arguments else Any
        return origin(_convert(item, inner, key, where) for item in value)
    if origin is dict and isinstance(value, Mapping):
        inner = arguments[1] if arguments else Any
        return {str(k): _convert(item, inner, f"{key}.{k}", where) for k, item in value.items()}
    if wanted is float and not isinstance(value, bool):
        with contextlib.suppress(TypeError, ValueError, OverflowError):
            if math.isfinite(found := float(value)):
                return found
        raise UsageError(f"{where}: {key} is {value!r:.40}; accepted: a finite number")
    elif wanted is Path and isinstance(value, str):
        return Path(value)
    elif origin is None and isinstance(wanted, type) and isinstance(value, wanted) \
            and not (wanted is int and isinstance(value, bool)):
        return value
    name = getattr(wanted, "__name__", str(wanted)) if origin is None else str(wanted)
    raise UsageError(f"{where}: {key} is {value!r}; accepted: a value of type {name}")


def _flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            flat.update(_flatten(value, f"{prefix}{key}."))
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _unflatten(flat: Mapping[str, Any]) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for dotted, value in flat.items():
        *parents, last = dotted.split(".")
        level = nested
        for parent in parents:
            level = level.setdefault(parent, {})
            if not isinstance(level, dict):
                raise UsageError(f"{dotted}: {parent} is a value, not a group of keys")
        level[last] = value
    return nested


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value
