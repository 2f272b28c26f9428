"""The equal error rate from the sorted scores of all trials; the oracle of what the package counts in another way."""

import numpy as np


def equal_error_rate(scores: np.ndarray, same: np.ndarray) -> float:
    """Where the share of missed targets equals that of accepted impostors, linear between thresholds; 0 to 1.

    Args:
        scores: (K,), higher means the same speaker. same: bool (K,).

    Raises:
        ValueError: no trial of one of the two kinds, or a score that is not a number.
    """
    scores, same = np.asarray(scores, dtype=np.float64).ravel(), np.asarray(same, dtype=bool).ravel()
    if same.all() or not same.any() or np.isnan(scores).any():
        raise ValueError(f"equal error rate: {int(same.sum())} trials of one speaker, {int((~same).sum())} of two, "
                        f"{int(np.isnan(scores).sum())} scores that are not numbers; it needs both and none")
    order = np.argsort(scores, kind="stable")
    last = np.append(np.diff(scores[order]) > 0, True)  # equal scores share a threshold
    missed = np.append(0.0, np.cumsum(same[order])[last] / same.sum())
    accepted = np.append(1.0, 1.0 - np.cumsum(~same[order])[last] / (~same).sum())
    gap = missed - accepted  # from -1 up to 1
    right = int(np.argmax(gap >= 0))
    share = -gap[right - 1] / (gap[right] - gap[right - 1])
    return float(missed[right - 1] + share * (missed[right] - missed[right - 1]))
