"""Extraction: the posterior mean of w, less the prior's mean, for each utterance."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from steps.ivector.statistics import Pack
from steps.ivector.total_variability import Inference, TotalVariability


@dataclass(frozen=True)
class Vectors:
    """vectors: float64 (U, R), E[w] less the prior's mean (in form offset, Kaldi too takes the offset off).

    empty: bool (U,), True where an utterance had no statistics: the vector is then the prior mean, 0.
    covariances: float64 (U, R, R) if asked for.
    """

    vectors: np.ndarray
    empty: np.ndarray
    covariances: np.ndarray | None = None


def extract(model: TotalVariability, packs: Iterable[Pack], *, covariances: bool = False, batch: int = 128,
            arithmetic: str = "double", device: str = "cpu") -> Vectors:
    """
    Args:
        packs: read one after the other; `batch` utterances at a time.
        arithmetic: double, or single (good to about 1e-4 of a posterior deviation).

    Raises:
        UserError: statistics of another number of components or features than the model's.
    """
    inference = Inference(model, arithmetic, device)
    rank = model.shape[2]
    means, empty, spreads = [np.empty((0, rank))], [np.empty(0, bool)], [np.empty((0, rank, rank))]
    for pack in packs:
        for begin in range(0, len(pack), batch):
            n, f = inference.dense(pack.slice(begin, min(begin + batch, len(pack))))
            posterior = inference.posterior(n, f)
            nothing = (n.sum(dim=1) == 0).cpu().numpy()
            means.append(np.where(nothing[:, None], 0.0, posterior.mean.double().cpu().numpy()))
            empty.append(nothing)
            if covariances:
                spreads.append(posterior.covariance.double().cpu().numpy())
    return Vectors(np.concatenate(means), np.concatenate(empty), np.concatenate(spreads) if covariances else None)
