"""Support vector machine on what is said (steps/text). Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from steps.examples.part import Part
from steps.models import sparse_svm
from steps.models.svm import HINGE, ONE_AGAINST_REST, LinearSvm
from steps.subsystems.classical import ABOUT, MODEL, LinearSvmConfig, LinearSvmLearner, Setting, save_arrays
from steps.text.source import ASR, SOURCES
from steps.text.vectorizer import BLOCKS, Vectorizer
from utils.arrays import read_npz
from utils.config import option
from utils.errors import UsageError
from utils.files import read_json, write_json

VOCABULARY = "model.vocabulary.json"


@dataclass
class TextSvmConfig(LinearSvmConfig):
    """n-grams weighted by tf-idf, one class against the rest, squared hinge loss."""

    C: list[float] = option([0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0], least=1, above=0.0, max=1e6,
                             help="penalties; one is chosen")
    source: str = option(ASR, choices=SOURCES, help="asr: the recognizer's text; nbest: counts expected over its "
                         "n-best list; reference: the reference text, an upper bound")
    words: list[int] = option([1, 2], min=1, max=100, help="shortest and longest n-gram of words; []: none")
    characters: list[int] = option([1, 5], min=1, max=100, help="the same of characters, within words; []: none")
    sublinear: bool = option(True, help="counts above 1 enter as 1 + their logarithm")
    min_documents: float = option(2.0, min=0.0, max=1e9, help="n-grams in fewer training texts are left out")

    def __post_init__(self) -> None:
        if (self.rules, self.losses) != ([ONE_AGAINST_REST], [HINGE]):
            raise UsageError("rules and losses are of linear_svm; on texts it is one class against the rest, squared "
                             "hinge")
        for name in BLOCKS:
            pair = getattr(self, name)
            if pair and (len(pair) != 2 or pair[0] > pair[1]):
                raise UsageError(f"{name} is {pair}; accepted: [shortest, longest], or [] for none")
        if not any(getattr(self, name) for name in BLOCKS):
            raise UsageError("words and characters are both []; one is needed")


@dataclass
class TextSvmPredictor:
    """See contract.Predictor; logits are decision values. Reads weighted texts."""

    vectorizer: Vectorizer
    model: LinearSvm
    target: str
    about: dict[str, Any]

    def predict(self, part: Part) -> dict[str, np.ndarray]:
        return {self.target: self.model.decide(self.vectorizer.transform(list(part.x)))}

    def save(self, directory: Path) -> None:
        save_arrays(directory, {**self.model.to_arrays(), **self.vectorizer.to_arrays()}, self.about)
        write_json(directory / VOCABULARY, self.vectorizer.to_json())

    def fits(self, widths: Mapping[str, int], classes: Mapping[str, int]) -> bool:
        return not widths and self.model.weights.shape == (classes.get(self.target), self.vectorizer.dim)


class TextSvmLearner(LinearSvmLearner):
    """Deterministic: every seed gives the same."""

    @classmethod
    def load(cls, config: TextSvmConfig, directory: Path, targets: Sequence[str],  # type: ignore[override]
             device: str = "cpu") -> TextSvmPredictor:
        """What `TextSvmPredictor.save` wrote."""
        arrays = read_npz(directory / MODEL, LinearSvm.SHAPES)
        vectorizer = Vectorizer.from_parts(read_json(directory / VOCABULARY, Vectorizer.FORM), arrays)
        return TextSvmPredictor(vectorizer, LinearSvm.from_arrays(arrays), targets[0],
                                read_json(directory / "model.json", ABOUT))

    def settings(self) -> list[Setting]:
        return [{"C": penalty} for penalty in self.config.C]

    def learn(self, part: Part, settings: Sequence[Setting]) -> list[TextSvmPredictor]:  # type: ignore[override]
        target, texts = self.examples.target, list(part.x)
        vectorizer = Vectorizer.fit(texts, {name: getattr(self.config, name) for name in BLOCKS},
                                    self.config.sublinear, self.config.min_documents)
        machines = sparse_svm.path(vectorizer.transform(texts), part.y, len(target.classes),
                                   [setting["C"] for setting in settings], self.config.balanced)
        return [TextSvmPredictor(vectorizer, model, target.name, {
            "chosen": {"C": penalty}, "parameters": int(model.weights.size + model.biases.size),
            "ngrams": {block.kind: len(block.vocabulary) for block in vectorizer.blocks}})
            for penalty, model in machines]
