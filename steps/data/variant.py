"""The name of a variant of a subsystem, EXP/<subsystem>/<protocol>/<variant>: read and written here alone.

    norm-speaker               features, normalized by speaker
    norm-global+aug            trained with noisy copies too
    norm-none+target-phq8      predicts another target than the default one; of several "+target-arousal-valence"
    norm-global+labels-10+unlabelled-mini_speech    trained with few labels and with unlabelled sets
    ref-text+permuted          reads the reference text; trained on permuted labels, for the leak audit
    norm-global+extended           a fusion with further subsystems
"""

from __future__ import annotations

from dataclasses import dataclass

NORM, LABELS, UNLABELLED, TARGET = "norm-", "labels-", "unlabelled-", "target-"
PERMUTED, AUGMENTED, EXTENDED = "permuted", "aug", "extended"
TEXTS = {"asr": "asr-text", "nbest": "nbest-text", "reference": "ref-text"}  # of each source of text


@dataclass(frozen=True)
class Variant:
    """
    Attributes:
        norm: of features: global, speaker, none; "" of text. text: the source of text; "" of features.
        base: the first word of a name of neither form ("-" of a recognizer).
        labels: how many labels are kept; "" for all. unlabelled: sets that training uses without labels.
        targets: what is predicted in place of the default target.
        permuted: trained on permuted labels. augmented: with noisy copies. extended: a fusion with further subsystems.
        further: words that are none of these.
    """

    norm: str = ""
    text: str = ""
    base: str = ""
    labels: str = ""
    unlabelled: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    permuted: bool = False
    augmented: bool = False
    extended: bool = False
    further: tuple[str, ...] = ()

    @classmethod
    def parse(cls, name: str) -> Variant:
        """The variant of that name; `str` gives the name again, its words in the order of the attributes."""
        base, *words = name.split("+")
        text = next((source for source, own in TEXTS.items() if own == base), "")
        norm = base.removeprefix(NORM) if base.startswith(NORM) else ""
        found: dict[str, list[str]] = {LABELS: [], UNLABELLED: [], TARGET: [], "": []}
        for word in words:
            if word not in (PERMUTED, AUGMENTED, EXTENDED):
                kind = next(prefix for prefix in found if word.startswith(prefix))
                found[kind].append(word.removeprefix(kind))
        return cls(norm, text, "" if norm or text else base, *found[LABELS][:1] or [""], tuple(found[UNLABELLED]),
                   tuple(name for word in found[TARGET] for name in word.split("-")), PERMUTED in words,
                   AUGMENTED in words, EXTENDED in words, tuple(found[""]))

    def __str__(self) -> str:
        words = [f"{NORM}{self.norm}" if self.norm else TEXTS.get(self.text, self.base)]
        words += [f"{LABELS}{self.labels}"] if self.labels else []
        words += [f"{UNLABELLED}{name}" for name in self.unlabelled]
        words += [TARGET + "-".join(self.targets)] if self.targets else []
        words += [PERMUTED] * self.permuted + [AUGMENTED] * self.augmented + [EXTENDED] * self.extended
        return "+".join([*words, *self.further])

    @property
    def plain(self) -> bool:
        """Whether only the normalization or the text is named."""
        return self == Variant(self.norm, self.text, self.base)

    def short(self) -> str:
        """For a heading: "speaker + aug"."""
        return str(self).removeprefix(NORM).replace("+", " + ")
