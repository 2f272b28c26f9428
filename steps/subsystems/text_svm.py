"""Support vector machine on what is said (steps/text) as a kind of subsystem. Reads no features. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from steps.examples.part import Part
from steps.models import sparse_svm
from steps.models.svm import LinearSvm
from steps.subsystems.classical import ABOUT, MODEL, LinearSvmConfig, LinearSvmKind, save_arrays
from steps.text.source import ASR, SOURCES, documents
from steps.text.vectoriser import BLOCKS, Vectoriser
from utils.arrays import read_npz
from utils.config import option
from utils.errors import UsageError
from utils.files import read_json, write_json

VOCABULARY = "model.vocabulary.json"


@dataclass
class TextSvmConfig(LinearSvmConfig):
    """n-grams weighted by tf-idf, one class against the rest, squared hinge loss."""

    penalties: list[float] = option([0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0], least=1, above=0.0, max=1e6,
                                    help="C; chosen on dev")
    source: str = option(ASR, choices=SOURCES, help="asr: the recogniser's text; nbest: counts expected over its "
                         "n-best list; reference: the reference text, an upper bound")
    words: list[int] = option([1, 2], min=1, max=100, help="shortest and longest n-gram of words; []: none")
    characters: list[int] = option([1, 5], min=1, max=100, help="the same of characters, within words; []: none")
    sublinear: bool = option(True, help="counts above 1 enter as 1 + their logarithm")
    min_documents: float = option(2.0, min=0.0, max=1e9, help="n-grams in fewer training texts are left out")

    def __post_init__(self) -> None:
        for name in BLOCKS:
            pair = getattr(self, name)
            if pair and (len(pair) != 2 or pair[0] > pair[1]):
                raise UsageError(f"{name} is {pair}; accepted: [shortest, longest], or [] for none")
        if not any(getattr(self, name) for name in BLOCKS):
            raise UsageError("words and characters are both []; one is needed")


@dataclass
class FittedTextSvm:
    """See contract.Fitted; logits are decision values. Reads the items' text, whatever their features are."""

    vectoriser: Vectoriser
    model: LinearSvm
    source: str
    about: dict[str, Any]

    def logits(self, part: Part) -> np.ndarray:
        return self.model.decide(self.vectoriser.transform(documents(part.items, self.source)))

    def save(self, directory: Path) -> None:
        save_arrays(directory, {**self.model.to_arrays(), **self.vectoriser.to_arrays()}, self.about)
        write_json(directory / VOCABULARY, self.vectoriser.to_json())

    def fits(self, inputs: int | None, classes: int) -> bool:
        return inputs is None and self.model.weights.shape == (classes, self.vectoriser.dim)


class TextSvmKind(LinearSvmKind):
    """Deterministic: every seed gives the same."""

    Config = TextSvmConfig
    features = ()

    @classmethod
    def load(cls, config: TextSvmConfig, directory: Path, device: str = "cpu") -> FittedTextSvm:
        """What `FittedTextSvm.save` wrote."""
        arrays = read_npz(directory / MODEL, LinearSvm.SHAPES)
        vectoriser = Vectoriser.from_parts(read_json(directory / VOCABULARY, Vectoriser.FORM), arrays)
        return FittedTextSvm(vectoriser, LinearSvm.from_arrays(arrays), config.source,
                             read_json(directory / "model.json", ABOUT))

    def _learn(self, part: Part, penalties: list[float]) -> list[FittedTextSvm]:  # type: ignore[override]
        part = part.labelled()
        texts = documents(part.items, self.config.source)
        vectoriser = Vectoriser.fit(texts, {name: getattr(self.config, name) for name in BLOCKS},
                                    self.config.sublinear, self.config.min_documents)
        rows = vectoriser.transform(texts)
        return [FittedTextSvm(vectoriser, model, self.config.source, {
            "chosen": {"C": penalty}, "parameters": int(model.weights.size + model.biases.size),
            "ngrams": {block.kind: len(block.vocabulary) for block in vectoriser.blocks}})
            for penalty, model in sparse_svm.path(rows, part.y, len(self.examples.target.classes), penalties,
                                                  self.config.balanced)]
