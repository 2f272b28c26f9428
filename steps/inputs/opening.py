"""Every input by its name:

    is10, fbank, ...                    features in DATA/<name>, made by steps/extract_features.sh
    text:asr, text:nbest, text:reference    what is said
    embedding:SUBSYSTEM[/VARIANT]       what another subsystem computes, of the same fold and seed
    waveform, waveform@RATE             the recordings, decoded when read
    images                              the images that the utterances' field `images` names
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence

from steps.data.dataset import Dataset
from steps.inputs import embedding
from steps.inputs.archive import ArchiveSource
from steps.inputs.images import IMAGES, ImageSource
from steps.inputs.said import TEXT, TextSource
from steps.inputs.source import Run, Source
from steps.inputs.waveform import WAVEFORM, WaveformSource
from steps.text.source import SOURCES, check_source
from utils.errors import UsageError


def open_source(name: str, data: Dataset, run: Run | None = None) -> Source:
    """
    Args:
        data: with the layers that text is read from (steps.text.source.layers_for).
        run: whose input it is; only embeddings need it.

    Raises:
        UsageError: no such input. UserError: it is not there, is damaged, or is of another run.
    """
    kind, colon, rest = name.partition(":")
    if kind.partition("@")[0] == WAVEFORM:
        return WaveformSource.open(name, data)
    if name == IMAGES:
        return ImageSource.open(data)
    if not colon:
        return ArchiveSource.open(data.path, name)
    if kind == TEXT:
        if rest not in SOURCES:
            raise UsageError(f"--inputs {name}: {rest or 'nothing'} is no source of text; accepted: "
                             f"{', '.join(f'{TEXT}:{source}' for source in SOURCES)}")
        check_source(data, rest)
        return TextSource(rest, data.items)
    if name.startswith(embedding.PREFIX):
        return embedding.open_embedding(name, data, run)
    raise UsageError(f"--inputs {name}: no such input; accepted: features by name, {TEXT}:SOURCE, "
                     f"{WAVEFORM}, {WAVEFORM}@RATE, {IMAGES}, {embedding.PREFIX}SUBSYSTEM[/VARIANT]")


def is_features(name: str) -> bool:
    """Whether an input is of a layout that is normalized: an archive of features, or embeddings."""
    return name.partition(":")[0].partition("@")[0] not in (TEXT, WAVEFORM, IMAGES)


def text_kinds(names: Iterable[str]) -> list[str]:
    """The kinds of text among these inputs."""
    return [name.removeprefix(f"{TEXT}:") for name in names if name.startswith(f"{TEXT}:")]


def depend_on_run(names: Iterable[str]) -> bool:
    """Whether one of these inputs differs between folds and seeds."""
    return any(name.startswith(embedding.PREFIX) for name in names)


class Sources:
    """The inputs of the runs of one subsystem on a data set; what is the same for all runs is opened once."""

    def __init__(self, data: Dataset):
        self._open = functools.cache(lambda name, run: open_source(name, data, run))

    def of(self, names: Sequence[str], run: Run, text: str = "") -> dict[str, Source]:
        """{name: source}.

        Args:
            text: the kind of text that the name "text" stands for.
        """
        full = [f"{TEXT}:{text}" if name == TEXT else name for name in names]
        return {name: self._open(name, run if depend_on_run([name]) else None) for name in full}
