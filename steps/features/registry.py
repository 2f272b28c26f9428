"""Features by name: `conf/<name>.yaml` says which extractor makes them, with which options.

A recipe's own `conf/<name>.yaml` overlays the top level's, or adds a new name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from steps.features.extractor import Extractor
from utils.config import config_files, load_config, read_yaml
from utils.errors import UsageError


def _fbank() -> tuple[type, Callable[[str, Any], Extractor]]:
    from steps.features.fbank import Fbank, FbankConfig

    return FbankConfig, Fbank


def _fbank_pitch() -> tuple[type, Callable[[str, Any], Extractor]]:
    from steps.features.fbank_pitch import FbankPitch, FbankPitchConfig

    return FbankPitchConfig, FbankPitch


def _sequence36() -> tuple[type, Callable[[str, Any], Extractor]]:
    from steps.features.sequence import Sequence36, SequenceConfig

    return SequenceConfig, Sequence36


def _mfcc() -> tuple[type, Callable[[str, Any], Extractor]]:
    from steps.features.mfcc import Mfcc, MfccConfig

    return MfccConfig, Mfcc


def _smile() -> tuple[type, Callable[[str, Any], Extractor]]:
    from steps.features.smile import Smile, SmileConfig

    return SmileConfig, Smile


def _given() -> tuple[type, Callable[[str, Any], Extractor]]:
    from steps.features.given import Given, GivenConfig

    return GivenConfig, Given


def _given_vectors() -> tuple[type, Callable[[str, Any], Extractor]]:
    from steps.features.given_vectors import GivenVectors, GivenVectorsConfig

    return GivenVectorsConfig, GivenVectors


def _ivector() -> tuple[type, Callable[[str, Any], Extractor]]:
    from steps.ivector.extract import Ivector, IvectorConfig

    return IvectorConfig, Ivector


EXTRACTORS = {"fbank": _fbank, "fbank_pitch": _fbank_pitch, "sequence36": _sequence36, "mfcc": _mfcc,
              "opensmile": _smile, "given": _given, "given_vectors": _given_vectors, "ivector": _ivector}
NAMES = ("fbank", "fbank_pitch", "fbank_lssed", "fbank_25ms", "fbank_40ms", "fbank_65ms", "fbank_100ms", "sequence36",
         "is09", "is10", "compare", "is10_lld", "compare_lld", "speaker_mfcc", "given", "given_vectors", "ivector")


def create(name: str, overrides: Iterable[str] = ()) -> Extractor:
    """The extractor of features `name`, with `key=value` overrides.

    Raises:
        UsageError: no such features, or a wrong key, type or value in their configuration.
    """
    try:
        files = config_files(name)
    except UsageError as error:
        raise UsageError(f"--features {name}: there is no conf/{name}.yaml; known: {', '.join(NAMES)}") from error
    kinds = [(read_yaml(path).get("extractor"), path) for path in files]
    kind, path = next(((kind, path) for kind, path in reversed(kinds) if kind is not None), (None, files[0]))
    if kind not in EXTRACTORS:
        raise UsageError(f"--features {name}: {path}: extractor is {kind!r}; accepted: {', '.join(EXTRACTORS)}")
    config_type, extractor_type = EXTRACTORS[kind]()
    return extractor_type(name, load_config(config_type, name, overrides))
