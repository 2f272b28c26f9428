"""Metrics from counts and sums, so that they can be recomputed, resampled and pooled without the scores. numpy only.

Classification works on confusion matrices (..., C, C), rows = reference, columns = decision; leading axes are free, so
thousands of bootstrap replicates are one call. Regression works on moments (..., 7), see MOMENTS.

    WA    share of right decisions.
    UA    mean recall over the classes that occur in the reference (the others have no recall).
    MAF   mean F1, MAP mean precision: over the classes that occur in the reference or among the decisions; a class
          that is never decided for has precision 0. This is scikit-learn's reading with zero_division=0.
    CCC   Lin, Biometrics 1989, population moments. NaN where both sides are the same constant. Of tracks it is over
          the concatenation of the items.
    CCC_items  of tracks: the mean over the items of each item's own CCC; items without one are left out.

Transcription works on counts (..., 6), see ERRORS:

    WER   (substitutions + deletions + insertions) / words of the reference; more than 1 is possible. NaN without words.
    CER   the same on characters, spaces left out.

The confidence of words works on a histogram (CONFIDENCE_BINS, 3): words, right words, sum of confidences of each bin.

    ECE   expected calibration error over ten bins of equal width (Naeini, Cooper & Hauskrecht, AAAI 2015).
    AUC   the chance that a right word has a higher confidence than a wrong one; of one bin, half.

Speaker verification works on trials, see steps/scoring/trials.py:

    EER   equal error rate: the share of errors where as many trials of one speaker are missed as of two accepted.
"""

from __future__ import annotations

import numpy as np

from steps.scoring.statistics import CORRELATION, POSITIVE

# Sums over items: count, label, prediction, label^2, prediction^2, label * prediction, |error|
MOMENTS = ("n", "y", "p", "yy", "pp", "yp", "abs")
CLASSIFICATION = ("MAF", "UA", "WA", "MAP")
REGRESSION = ("CCC", "MAE", "RMSE")
TRACK = ("CCC", "CCC_items", "MAE", "RMSE")
# Of tracks, behind MOMENTS: the sum of the items' own CCC, and how many items have one
ITEMS = ("ccc", "items")
BINARY = ("F1",)
# Sums over utterances: words of the reference, the errors by kind, characters of the reference, errors of characters
ERRORS = ("words", "substitutions", "deletions", "insertions", "characters", "character_errors")
TRANSCRIPTION = ("WER", "CER", *ERRORS[1:4])
CONFIDENCE = ("ECE", "AUC")
VERIFICATION = ("EER",)
SCALES = {**dict.fromkeys(("CCC", "CCC_items"), CORRELATION),  # of intervals; the others are fractions
          **dict.fromkeys(("MAE", "RMSE", *TRANSCRIPTION), POSITIVE)}
LESS_IS_BETTER = ("MAE", "RMSE", *TRANSCRIPTION, "ECE", *VERIFICATION)
CONFIDENCE_BINS = 100  # fine enough for the AUC; ten of them make a bin of the calibration error


def confusion(y: np.ndarray, yhat: np.ndarray, classes: int) -> np.ndarray:
    """Counts (C, C), rows = reference; items with a negative reference (unlabelled) are left out."""
    y, yhat = np.asarray(y, dtype=np.int64), np.asarray(yhat, dtype=np.int64)
    known = y >= 0
    return np.bincount(y[known] * classes + yhat[known], minlength=classes * classes).reshape(classes, classes)


def wa(counts: np.ndarray) -> np.ndarray:
    """Share of right decisions (...)."""
    counts = np.asarray(counts, dtype=np.float64)
    return _ratio(np.trace(counts, axis1=-2, axis2=-1), counts.sum(axis=(-2, -1)), np.nan)


def ua(counts: np.ndarray) -> np.ndarray:
    """Mean recall over the classes in the reference (...)."""
    counts = np.asarray(counts, dtype=np.float64)
    return _mean(recall(counts), counts.sum(axis=-1) > 0)


def maf(counts: np.ndarray) -> np.ndarray:
    """Mean F1 over the classes that occur (...)."""
    return _mean(f1(counts), _occurs(counts))


def map_(counts: np.ndarray) -> np.ndarray:
    """Mean precision over the classes that occur (...)."""
    return _mean(precision(counts), _occurs(counts))


def recall(counts: np.ndarray) -> np.ndarray:
    """Per class (..., C); 0 where the class is not in the reference."""
    counts = np.asarray(counts, dtype=np.float64)
    return _ratio(_diagonal(counts), counts.sum(axis=-1))


def precision(counts: np.ndarray) -> np.ndarray:
    """Per class (..., C); 0 where nothing was decided to be of the class."""
    counts = np.asarray(counts, dtype=np.float64)
    return _ratio(_diagonal(counts), counts.sum(axis=-2))


def f1(counts: np.ndarray) -> np.ndarray:
    """Per class (..., C): 2 TP / (reference + decided); 0 where the class does not occur."""
    counts = np.asarray(counts, dtype=np.float64)
    return _ratio(2 * _diagonal(counts), counts.sum(axis=-1) + counts.sum(axis=-2))


def per_class(counts: np.ndarray) -> dict[str, np.ndarray]:
    """{"recall", "precision", "f1", "n"}: each (..., C); n counts the reference."""
    return {"recall": recall(counts), "precision": precision(counts), "f1": f1(counts),
            "n": np.asarray(counts).sum(axis=-1)}


def classification(counts: np.ndarray) -> dict[str, np.ndarray]:
    """Every metric of CLASSIFICATION, each (...)."""
    return {"MAF": maf(counts), "UA": ua(counts), "WA": wa(counts), "MAP": map_(counts)}


def binary_f1(table: np.ndarray) -> np.ndarray:
    """F1 of class 1 of (..., 2, 2) counts; NaN where class 1 does not occur at all."""
    table = np.asarray(table, dtype=np.float64)
    occurs = table[..., 1, :].sum(axis=-1) + table[..., :, 1].sum(axis=-1)
    return _ratio(2 * table[..., 1, 1], occurs, np.nan)


def moments(y: np.ndarray, p: np.ndarray) -> np.ndarray:
    """The sums MOMENTS of labels y (N,) and predictions p (N,); items whose label is NaN are left out."""
    y, p = np.asarray(y, dtype=np.float64), np.asarray(p, dtype=np.float64)
    known = ~np.isnan(y)
    y, p = y[known], p[known]
    return np.array([len(y), y.sum(), p.sum(), (y * y).sum(), (p * p).sum(), (y * p).sum(), np.abs(y - p).sum()])


def ccc(sums: np.ndarray) -> np.ndarray:
    """Concordance correlation coefficient (...) of moments (..., 7)."""
    n, y, p, yy, pp, yp, _ = _unpack(sums)
    with np.errstate(divide="ignore", invalid="ignore"):
        y, p = y / n, p / n
        covariance, variances = yp / n - y * p, (yy / n - y * y) + (pp / n - p * p)
    return _ratio(2 * covariance, variances + (y - p) ** 2, np.nan)


def mae(sums: np.ndarray) -> np.ndarray:
    """Mean absolute error (...)."""
    n, *_, absolute = _unpack(sums)
    return _ratio(absolute, n, np.nan)


def rmse(sums: np.ndarray) -> np.ndarray:
    """Root of the mean squared error (...)."""
    n, _, _, yy, pp, yp, _ = _unpack(sums)
    return np.sqrt(np.maximum(_ratio(yy + pp - 2 * yp, n, np.nan), 0.0))


def regression(sums: np.ndarray) -> dict[str, np.ndarray]:
    """Every metric of REGRESSION, each (...)."""
    return {"CCC": ccc(sums), "MAE": mae(sums), "RMSE": rmse(sums)}


def item_sums(items: np.ndarray, y: np.ndarray, p: np.ndarray) -> np.ndarray:
    """(2,) the sums ITEMS of tracks.

    Args:
        items: (N,) the item that each value belongs to. y: (N,) labels, NaN unlabelled. p: (N,) predictions.
    """
    items = np.asarray(items, dtype=str)
    order = np.argsort(items, kind="stable")
    edges = np.flatnonzero(items[order][1:] != items[order][:-1]) + 1
    own = np.array([ccc(moments(y[mine], p[mine])) for mine in np.split(order, edges)])
    return np.array([np.nansum(own), np.count_nonzero(~np.isnan(own))])


def track(sums: np.ndarray) -> dict[str, np.ndarray]:
    """Every metric of TRACK, each (...), of MOMENTS and ITEMS (..., 9)."""
    found = regression(sums[..., :len(MOMENTS)])
    found["CCC_items"] = _ratio(sums[..., -2], sums[..., -1], np.nan)
    return {name: found[name] for name in TRACK}


def transcription(counts: np.ndarray) -> dict[str, np.ndarray]:
    """Every metric of TRANSCRIPTION, each (...), of counts (..., 6); the kinds of errors a word of the reference."""
    words, *errors, characters, character_errors = _unpack(counts)
    return {"WER": _ratio(sum(errors), words, np.nan), "CER": _ratio(character_errors, characters, np.nan),
            **{name: _ratio(value, words, np.nan) for name, value in zip(ERRORS[1:4], errors, strict=True)}}


def confidence_histogram(confidences: np.ndarray, right: np.ndarray) -> np.ndarray:
    """(CONFIDENCE_BINS, 3) of confidences (N,) in [0, 1] and whether the words are right (N,)."""
    confidences, right = np.asarray(confidences, dtype=np.float64), np.asarray(right, dtype=np.float64)
    places = np.minimum((confidences * CONFIDENCE_BINS + 1e-9).astype(np.int64), CONFIDENCE_BINS - 1)
    return np.stack([np.bincount(places, weights, CONFIDENCE_BINS)
                     for weights in (np.ones_like(confidences), right, confidences)], axis=-1)


def reliability(histogram: np.ndarray) -> np.ndarray:
    """The ten bins of the calibration error (10, 3): words, right words, sum of confidences."""
    return np.asarray(histogram, dtype=np.float64).reshape(10, -1, 3).sum(axis=1)


def confidence(histogram: np.ndarray) -> dict[str, float]:
    """Every metric of CONFIDENCE; NaN without words, AUC also where all words are right or all are wrong."""
    words, right, total = reliability(histogram).T
    error = float(np.abs(right - total).sum() / words.sum()) if words.sum() else float("nan")
    good, bad = histogram[:, 1], histogram[:, 0] - histogram[:, 1]
    below = np.cumsum(bad) - bad
    pairs = good.sum() * bad.sum()
    return {"ECE": error, "AUC": float((good * (below + bad / 2)).sum() / pairs) if pairs else float("nan")}


def _unpack(sums: np.ndarray) -> list[np.ndarray]:
    return list(np.moveaxis(np.asarray(sums, dtype=np.float64), -1, 0))


def _diagonal(counts: np.ndarray) -> np.ndarray:
    return np.diagonal(counts, axis1=-2, axis2=-1)


def _occurs(counts: np.ndarray) -> np.ndarray:
    counts = np.asarray(counts)
    return (counts.sum(axis=-1) + counts.sum(axis=-2)) > 0


def _ratio(above: np.ndarray, below: np.ndarray, empty: float = 0.0) -> np.ndarray:
    above, below = np.asarray(above, dtype=np.float64), np.asarray(below, dtype=np.float64)
    return np.where(below != 0, above / np.where(below != 0, below, 1.0), empty)


def _mean(values: np.ndarray, where: np.ndarray) -> np.ndarray:
    return _ratio((values * where).sum(axis=-1), where.sum(axis=-1), np.nan)
