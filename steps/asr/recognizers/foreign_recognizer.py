"""What all recognizers share that were trained elsewhere: their tokens, and the checks of what they give.

Utterances are run one at a time: nothing is known of how a foreign model treats padding, and so what an utterance gives
depends on no other.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from steps.asr.units import Units
from steps.features import registry
from utils.errors import UserError

TOKENS = "tokens.txt"
FEATURES = 80  # mel bins a frame
FEWEST_FRAMES = 7  # a subsampling by 4 has no output frame below, and some models fail there
PROBE_FRAMES = 200
NORMALIZED = 1e-2  # largest |log of the sum of the posteriors| of a frame; int8 models and float16 stay below


class ForeignRecognizer:
    """See recognizer.py `Recognizer`. A subclass sets `directory`, `units` and `fingerprint`, and runs.

    The model takes 80 log mel energies of samples in [-1, 1] every 10 ms, as icefall and sherpa-onnx have them.
    """

    directory: Path
    fingerprint: str
    units: Units

    def __init__(self, directory: Path, features: str = "fbank"):
        self.directory = directory
        self.extractor = registry.create(features)
        if self.extractor.dim != FEATURES:
            raise UserError(f"{directory} takes {FEATURES} features a frame, and {features} has {self.extractor.dim}")

    def _run(self, features: np.ndarray) -> np.ndarray:
        """float32 (T, 80), T at least FEWEST_FRAMES -> float32 (T', V)."""
        raise NotImplementedError

    def probe(self, file: Path, subsampling: int | None = None) -> None:
        """Run the model once, to find what it gives before hours are spent: sets units, dim and subsampling.

        Args:
            file: the model's, for messages. subsampling: where the model says so itself.

        Raises:
            UserError: it gives no log-posteriors of the tokens.
        """
        # Noise rather than zeros: a network may well be sure of what it has never seen.
        found = self._run(np.random.default_rng(0).normal(-8, 2, (PROBE_FRAMES, FEATURES)).astype(np.float32))
        if found.ndim != 2 or not len(found):
            raise UserError(f"{file}: {PROBE_FRAMES} frames give an output of the shape {found.shape}; a CTC model "
                            "gives log-probabilities (frames, tokens)")
        check_normalized(found, file)
        self.dim = found.shape[1]
        self.units = tokens_of(self.directory, self.dim)
        self.subsampling = subsampling or max(1, round(PROBE_FRAMES / len(found)))
        self.frame_shift = self.subsampling * float(self.extractor.frame_shift or 0.01)

    def log_posteriors(self, features: Sequence[np.ndarray]) -> list[np.ndarray]:
        out = []
        for rows in features:
            if rows.ndim != 2 or rows.shape[1] != FEATURES:
                raise UserError(f"{self.directory} takes {FEATURES} features a frame; these have the shape "
                                f"{rows.shape}")
            if len(rows) < FEWEST_FRAMES:
                out.append(np.empty((0, self.dim), dtype=np.float32))
            else:
                out.append(self._run(np.ascontiguousarray(rows, dtype=np.float32)))
        return out

    def hidden(self, features: Sequence[np.ndarray]) -> list[np.ndarray]:
        raise UserError(f"{self.directory} is a foreign model, which shows its posteriors but no hidden layer; choose "
                        "occupancies from its tokens, or a recognizer of this repository")


def check_normalized(log_posteriors: np.ndarray, file: Path) -> None:
    """
    Raises:
        UserError: (T', V) are no logarithms of probabilities.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        worst = np.abs(np.logaddexp.reduce(log_posteriors.astype(np.float64), axis=1)).max()
    if not worst <= NORMALIZED:  # NaN too
        raise UserError(f"{file} gives no log-probabilities (the logarithm of a frame's sum is off by {worst:.3g}); "
                        "export it with its log-softmax")


def tokens_of(directory: Path, outputs: int) -> Units:
    """The units of a foreign model: DIR/units where our own export left them (they spell as the training did), else
    DIR/tokens.txt.

    Raises:
        UserError: there are none, their number is not the model's, or the blank is not number 0.
    """
    file = directory / TOKENS
    if not file.is_file():
        raise UserError(f"{directory} has no {TOKENS}, one `token id` a line; copy it there from where the model is "
                        "from")
    units = Units.from_tokens(file)
    # Lang directories of k2 end with symbols for the lexicon (#0, #1) that no network has.
    if len(units) > outputs and all(token.startswith("#") for token in units.tokens[outputs:]):
        units = Units(units.tokens[:outputs])
    if len(units) != outputs:
        raise UserError(f"{file} has {len(units)} tokens and the model {outputs} outputs; it belongs to another model")
    if units.blank != 0:
        raise UserError(f"{file}: the blank is token {units.blank}; only models whose blank is token 0 are read")
    if (directory / "units").is_dir():
        own = Units.load(directory / "units")
        if own.tokens != units.tokens:
            raise UserError(f"{directory}/units has other tokens than {file}; export the recognizer again")
        return own
    return units
