"""Features by name: `conf/<name>.yaml` says which extractor makes them, with which options.

A recipe's own `conf/<name>.yaml` overlays the top level's, or adds a new name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from steps.features.extractor import Extractor
from utils.config import config_files, configurations_with, from_dict, load_config, read_yaml
from utils.errors import UsageError
from utils.imports import imported

# Imported when first asked for: filter banks need no openSMILE. Each class names its configuration, `Config`.
EXTRACTORS = {
    "fbank": "steps.features.fbank:Fbank",
    "fbank_pitch": "steps.features.fbank_pitch:FbankPitch",
    "sequence36": "steps.features.sequence:Sequence36",
    "mfcc": "steps.features.mfcc:Mfcc",
    "opensmile": "steps.features.smile:Smile",
    "precomputed": "steps.features.precomputed:Precomputed",
    "precomputed_vectors": "steps.features.precomputed_vectors:PrecomputedVectors",
    "ivector": "steps.ivector.extract:Ivector",
}


def create(name: str, overrides: Iterable[str] = ()) -> Extractor:
    """The extractor of features `name`, with `key=value` overrides.

    Raises:
        UsageError: no such features, or a wrong key, type or value in their configuration.
    """
    try:
        files = config_files(name)
    except UsageError as error:
        known = ", ".join(configurations_with("extractor"))
        raise UsageError(f"--features {name}: there is no conf/{name}.yaml; known: {known}") from error
    kinds = [(read_yaml(path).get("extractor"), path) for path in files]
    kind, path = next(((kind, path) for kind, path in reversed(kinds) if kind is not None), (None, files[0]))
    if kind not in EXTRACTORS:
        raise UsageError(f"--features {name}: {path}: extractor is {kind!r}; accepted: {', '.join(EXTRACTORS)}")
    extractor: type[Extractor] = imported(EXTRACTORS[kind])
    return extractor(name, load_config(extractor.Config, name, overrides))


def remake(name: str, options: Mapping[str, Any]) -> Extractor:
    """The extractor that had these options, whatever conf/<name>.yaml says today.

    Args:
        options: of an extractor (`Extractor.options`), as a model or a feature archive stores them.

    Raises:
        UsageError: no such extractor in this version, or options that it does not have.
    """
    kind = options.get("extractor")
    if kind not in EXTRACTORS:
        raise UsageError(f"features {name}: extractor is {kind!r}; accepted: {', '.join(EXTRACTORS)}")
    extractor: type[Extractor] = imported(EXTRACTORS[kind])
    return extractor(name, from_dict(extractor.Config, dict(options), where=f"features {name}"))
