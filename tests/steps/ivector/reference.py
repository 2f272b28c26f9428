"""The total variability model an utterance at a time, in plain numpy, straight from the equations and dense.

Nothing is shared with the package: w itself instead of its deviation, no packing, no batches, no Cholesky factors.
"""

from __future__ import annotations

import numpy as np


class Reference:
    """matrix (C, D, R), means (C, D), covariances (C, D, D); w ~ N(offset e1, I)."""

    def __init__(self, matrix, means, covariances, offset):
        self.matrix, self.means, self.covariances = matrix, means, covariances
        self.prior = np.zeros(matrix.shape[2])
        self.prior[0] = offset

    def posterior(self, n, f):
        """Mean (R,) and covariance (R, R) of w for n (C,) and f (C, D)."""
        precision, linear = np.eye(len(self.prior)), self.prior.copy()
        for m, mean, covariance, count, first in zip(self.matrix, self.means, self.covariances, n, f, strict=True):
            inverse = np.linalg.inv(covariance)
            precision += count * m.T @ inverse @ m
            linear += m.T @ inverse @ (first - count * mean)
        spread = np.linalg.inv(precision)
        return spread @ linear, spread

    def accumulators(self, utterances):
        """sum N E[ww'] (C, R, R), sum (F - N m) w' (C, D, R), sum w (R,), sum E[ww'] (R, R)."""
        count, dim, rank = self.matrix.shape
        second, cross = np.zeros((count, rank, rank)), np.zeros((count, dim, rank))
        first, moments = np.zeros(rank), np.zeros((rank, rank))
        for n, f in utterances:
            w, spread = self.posterior(n, f)
            ww = spread + np.outer(w, w)
            first += w
            moments += ww
            for c in range(count):
                second[c] += n[c] * ww
                cross[c] += np.outer(f[c] - n[c] * self.means[c], w)
        return second, cross, first, moments

    def step(self, utterances, totals):
        """One iteration without floors -> Reference. totals: n (C,), f (C, D), s (C, D, D)."""
        second, cross, first, moments = self.accumulators(utterances)
        matrix, covariances = self.matrix.copy(), self.covariances.copy()
        for c in range(len(matrix)):
            matrix[c] = cross[c] @ np.linalg.inv(second[c])
            mean = self.means[c]
            scatter = (totals.s[c] - np.outer(totals.f[c], mean) - np.outer(mean, totals.f[c])
                       + totals.n[c] * np.outer(mean, mean))
            covariances[c] = (scatter - matrix[c] @ cross[c].T) / totals.n[c]
        h = first / len(utterances)
        spread = moments / len(utterances) - np.outer(h, h)
        return self.reparametrized(matrix, covariances, h, spread)

    def reparametrized(self, matrix, covariances, h, spread):
        """w ~ N(h, spread) -> the model's own prior."""
        values, vectors = np.linalg.eigh(spread)
        root = vectors * np.sqrt(values)
        if not self.prior[0]:
            return Reference(matrix @ root, self.means + matrix @ h, covariances, 0.0)
        turned = np.linalg.solve(root, h)
        # Any orthogonal matrix whose first column is the direction of the mean.
        rest = np.random.default_rng(0).standard_normal((len(h), len(h) - 1))
        basis, _ = np.linalg.qr(np.column_stack([turned, rest]))
        if basis[:, 0] @ turned < 0:
            basis[:, 0] *= -1
        return Reference(matrix @ root @ basis, self.means, covariances, float(np.linalg.norm(turned)))

    def frame_log_likelihood(self, frames):
        """log p of the frames of one utterance: [(component, x (D,))], all jointly Gaussian, w integrated out."""
        _, dim, rank = self.matrix.shape
        size = len(frames) * dim
        loading = np.concatenate([self.matrix[c] for c, _ in frames]) if frames else np.zeros((0, rank))
        mean = np.concatenate([self.means[c] for c, _ in frames]) + loading @ self.prior
        covariance = loading @ loading.T
        for k, (c, _) in enumerate(frames):
            place = slice(k * dim, (k + 1) * dim)
            covariance[place, place] += self.covariances[c]
        x = np.concatenate([x for _, x in frames]) - mean
        return -0.5 * (size * np.log(2 * np.pi) + np.linalg.slogdet(covariance)[1] + x @ np.linalg.solve(covariance, x))
