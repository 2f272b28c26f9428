"""A recognizer without training: random but fixed functions of the filter bank, with the interface of a real one."""

from __future__ import annotations

import numpy as np

from steps.features.registry import create


class FakeRecognizer:
    """Output frame j is a function of the input frames 4j to 4j + 6."""

    def __init__(self, seed: int = 0, dim: int = 13, width: int = 8):
        generator = np.random.default_rng(seed)
        self.extractor = create("fbank")
        self.subsampling, self.frame_shift, self.dim, self.fingerprint = 4, 0.04, dim, f"fake{seed}"
        self._tokens = generator.standard_normal((80, dim)) / 10
        self._states = generator.standard_normal((80, width)) / 10

    def _pooled(self, rows: np.ndarray) -> np.ndarray:
        frames = max(((len(rows) - 1) // 2 - 1) // 2, 0)
        return np.stack([rows[4 * j:4 * j + 7].mean(axis=0) for j in range(frames)]) if frames else np.zeros((0, 80))

    def log_posteriors(self, features):
        return [_log_softmax(self._pooled(rows) @ self._tokens).astype(np.float32) for rows in features]

    def hidden(self, features):
        return [np.tanh(self._pooled(rows) @ self._states).astype(np.float32) for rows in features]


class FakeHead:
    """Four phone states, the first two silence."""

    silence = [0, 1]

    def __init__(self, posteriors: np.ndarray, recognizer: str | None = "fake0"):
        self._posteriors, self.recognizer, self.fingerprint = posteriors, recognizer, "head"

    def __len__(self) -> int:
        return self._posteriors.shape[1]

    def posteriors(self, features: np.ndarray, hidden: np.ndarray | None) -> np.ndarray:
        return self._posteriors[:len(features)]


def _log_softmax(logits: np.ndarray) -> np.ndarray:
    logits = logits - logits.max(axis=1, keepdims=True, initial=-np.inf)
    return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
