"""What an exporter was given: where its components find what was trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from steps.inference.selection import Chosen, Member
from utils.errors import UserError
from utils.files import read_json


@dataclass
class Source:
    """
    Attributes:
        chosen: the experiments. data: their data set. asr: a recognizer's directory.
        extractors: directories of i-vector extractors.
        precomputed_as: features that stand for precomputed ones; stands_in: they did.
    """

    chosen: Chosen
    data: Path
    asr: Path | None = None
    extractors: Sequence[Path] = ()
    precomputed_as: str | None = None
    stands_in: bool = False

    def member(self, name: str) -> Member | None:
        """The subsystem of this name."""
        return next((one for one in self.chosen.members if one.name == name), None)

    def described(self, features: str) -> dict[str, Any]:
        """feature.json of features of the data set; of precomputed ones as --precomputed-as says.

        Raises:
            UserError: it is not there.
        """
        path = self.data / features / "feature.json"
        if not path.is_file():
            raise UserError(
                f"{path} is not there, which says how {features} was computed; name the data set "
                "with --data DIR",
                2,
            )
        described = read_json(path)
        if described["options"].get("extractor") in ("precomputed", "precomputed_vectors"):
            return self._as_if_computed(features, described)
        return described

    def _as_if_computed(self, features: str, described: dict[str, Any]) -> dict[str, Any]:
        """feature.json of precomputed features, had the extractor `precomputed_as` made them."""
        from steps.features import registry

        if self.precomputed_as is None:
            raise UserError(
                f"{self.data / features} was given, not computed here: a new recording has no such "
                "features; --precomputed-as NAME says how they are made",
                2,
            )
        extractor, self.stands_in = registry.create(self.precomputed_as), True
        if (extractor.kind, extractor.dim) != (described["kind"], described["dim"]):
            raise UserError(
                f"--precomputed-as {self.precomputed_as} makes {extractor.dim} columns, "
                f"{extractor.kind}; {self.data / features} has {described['dim']}, "
                f"{described['kind']}",
                2,
            )
        return {
            "kind": extractor.kind,
            "dim": extractor.dim,
            "version": extractor.version,
            "options": extractor.options,
        }
