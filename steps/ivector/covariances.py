"""Floors under covariance matrices."""

from __future__ import annotations

import numpy as np


def covariance_floor(weights: np.ndarray, covariances: np.ndarray, share: float) -> np.ndarray:
    """(D, D): `share` of the weighted mean of the covariances (C, D, D), and 1e-8 of its mean variance as a ridge.

    Kaldi floors the covariances of its UBM and extractor in the same way.
    """
    mean = np.einsum("c,cde->de", weights / weights.sum(), covariances)
    return share * mean + 1e-8 * np.trace(mean) / len(mean) * np.eye(len(mean))


def floored(covariances: np.ndarray, floor: np.ndarray) -> np.ndarray:
    """Each of (C, D, D) raised to the floor: where the floor is the unit matrix, no eigenvalue is below 1.

    Of all covariances not below the floor this is the likeliest one for data with the given covariance, so that EM
    with it never lowers the likelihood.
    """
    factor = np.linalg.cholesky(floor)
    inverse = np.linalg.inv(factor)
    values, vectors = np.linalg.eigh(inverse @ covariances @ inverse.T)
    low = values.min(axis=-1) < 1.0
    out = np.array(covariances, dtype=np.float64)
    raised = factor @ (vectors[low] * np.maximum(values[low], 1.0)[:, None, :]) @ vectors[low].transpose(0, 2, 1) \
        @ factor.T
    out[low] = (raised + raised.transpose(0, 2, 1)) / 2
    return out
