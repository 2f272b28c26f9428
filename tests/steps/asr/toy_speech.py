"""A toy language for tests of training: every letter is a fixed spectrum, held for some frames."""

import numpy as np
from lhotse import CutSet, MonoCut, SupervisionSegment

from steps.asr.train.learn_units import learn_units
from steps.asr.units import UnitsConfig

LETTERS = "abcdef"
BINS = 12


class ToySource:
    """Features of a cut from its id and text alone; `speed` shortens every letter."""

    def features(self, cut, speed):
        random = np.random.default_rng(int(cut.id))
        spectra = np.random.default_rng(1).normal(0, 3, (len(LETTERS), BINS))
        rows = [np.full((4, BINS), -2.0)]
        for letter in cut.supervisions[0].text.replace(" ", ""):
            rows.append(np.repeat(spectra[LETTERS.index(letter)][None], round(14 / speed), axis=0))
            rows.append(np.full((4, BINS), -2.0))
        clean = np.concatenate(rows)
        return (clean + random.normal(0, 0.3, clean.shape)).astype(np.float32)


def toy_cuts(count, first=0):
    cuts = []
    for number in range(first, first + count):
        random = np.random.default_rng(100 + number)
        text = " ".join("".join(random.choice(list(LETTERS), 2)) for _ in range(random.integers(1, 4)))
        seconds = 0.01 * (4 + 18 * len(text.replace(" ", "")))
        cuts.append(MonoCut(id=str(number), start=0, duration=seconds, channel=0, supervisions=[SupervisionSegment(
            id=str(number), recording_id=str(number), start=0, duration=seconds, text=text, language="en")]))
    return CutSet.from_cuts(cuts)


def toy_units():
    return learn_units((cut.supervisions[0].text for cut in toy_cuts(60)), UnitsConfig(kind="char", fallback="unknown"))
