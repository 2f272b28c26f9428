"""i-vectors of a recording: features by an extractor with files of its own."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from steps.components.component import RECOGNIZER, WAVEFORM, Component
from steps.data.trained_on import Record, records_of
from steps.inference.nodes.features import IVECTOR, Features
from steps.inference.nodes.recognizer import RecognizerFiles
from steps.inference.source import Source
from steps.ivector.config import GMM
from utils.errors import UserError


class Ivectors(Features):
    """
    Attributes:
        place: the i-vector extractor's directory.
    """

    place: Path

    @classmethod
    def find(cls, wanted: str, source: Source) -> Ivectors | None:
        from steps.ivector.extractor import IvectorExtractor

        if (
            wanted.startswith("*")
            or (described := source.described(wanted))["options"].get("extractor") != IVECTOR
        ):
            return None
        options = described["options"]
        alone = options["occupancy"] == GMM
        found = cls(
            wanted,
            (WAVEFORM,) if alone else (WAVEFORM, RECOGNIZER),
            {key: described[key] for key in cls.form},
        )
        place = find_extractor(source.extractors, options["fingerprint"])
        if place is None:
            places = ", ".join(map(str, source.extractors))
            what = f"is not in {places}" if places else "must be given"
            raise UserError(
                f"{source.data / wanted} was made by the i-vector extractor "
                f"{options['fingerprint']}, which {what}; give it with --ivectors DIR",
                2,
            )
        IvectorExtractor.load(
            place, None if alone else source.asr
        )  # says if the recognizer is missing, or another one
        found.place = place
        return found

    def pack(self, directory: Path) -> dict[str, Any]:
        from steps.ivector.extractor import ABOUT, MODEL

        directory.mkdir(parents=True)
        for file in (ABOUT, MODEL):
            shutil.copyfile(self.place / file, directory / file)
        return self.about

    def trained_on(self) -> list[Record]:
        from steps.ivector.extractor import read_about

        return records_of(read_about(self.place).get("trained_on") or [])

    @classmethod
    def open(
        cls,
        node: Mapping[str, Any],
        directory: Path,
        others: Mapping[str, Component],
        targets: Mapping[str, Any],
    ) -> Ivectors:
        from steps.ivector.extract import Ivector, IvectorConfig

        asr = [
            one.directory
            for name in node["inputs"]
            if isinstance(one := others.get(name), RecognizerFiles)
        ]
        opened = cls(node["name"], node["inputs"], node["about"])
        opened.place = directory
        opened.use(
            Ivector(opened.name, IvectorConfig(directory=directory, asr=asr[0] if asr else None))
        )
        return opened


def find_extractor(places: Sequence[Path], fingerprint: str) -> Path | None:
    """The i-vector extractor of this fingerprint in one of `places` or up to two levels below."""
    from steps.ivector.extractor import ABOUT, read_about

    for place in places:
        for path in (place, place / "extractor", *sorted(place.glob("*/extractor"))):
            if (path / ABOUT).is_file() and read_about(path)["fingerprint"] == fingerprint:
                return path
    return None
