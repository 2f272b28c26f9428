"""EM for the total variability model (Kenny, Boulianne and Dumouchel, IEEE TSAP 2005), in additive accumulators.

E-step: sums over utterances, of the posterior of delta = w - E[w] (steps.ivector.total_variability).
M-step: M and the covariances by maximizing the auxiliary function, then minimum divergence (Kenny, Joint factor
analysis, CRIM 2005; Kaldi's UpdatePrior): the prior that fits the posteriors best, N(h, P), is taken up into M (and m),
so that the prior is N(0, I) or N(offset e1, I) again. Each part raises the likelihood or leaves it; so does their sum.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, replace

import numpy as np
import torch

from steps.ivector.covariances import floored
from steps.ivector.statistics import Pack, Totals
from steps.ivector.total_variability import Inference, TotalVariability, TotalVariabilityConfig
from utils.errors import UserError


@dataclass
class Accumulators:
    """Sums over utterances u, float64; P = R (R + 1) / 2, the lower triangle row by row. delta: posterior mean.

    second: sum N_u E[delta delta'] (C, P). first: sum N_u delta (C, R). cross: sum (F_u - N_u c) delta' (C, D, R).
    prior_first: sum delta (R,). prior_second: sum E[delta delta'] (P,). evidence: sum of Posterior.evidence.
    utterances: with statistics. empty: without; they say nothing and are left out.
    """

    second: np.ndarray
    first: np.ndarray
    cross: np.ndarray
    prior_first: np.ndarray
    prior_second: np.ndarray
    evidence: float = 0.0
    utterances: int = 0
    empty: int = 0

    @classmethod
    def zeros(cls, count: int, dim: int, rank: int) -> Accumulators:
        packed = rank * (rank + 1) // 2
        return cls(np.zeros((count, packed)), np.zeros((count, rank)), np.zeros((count, dim, rank)), np.zeros(rank),
                   np.zeros(packed))

    def merge(self, other: Accumulators) -> None:
        """Add the sums of another share."""
        for field in fields(self):
            setattr(self, field.name, getattr(self, field.name) + getattr(other, field.name))

    def to_arrays(self) -> dict[str, np.ndarray]:
        return {field.name: np.atleast_1d(getattr(self, field.name)) for field in fields(self)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Accumulators:
        scalars = {"evidence": float, "utterances": int, "empty": int}
        return cls(**{field.name: scalars[field.name](arrays[field.name][0]) if field.name in scalars
                      else np.array(arrays[field.name]) for field in fields(cls)})


def accumulate(model: TotalVariability, packs: Iterable[Pack], config: TotalVariabilityConfig,
               device: str = "cpu") -> Accumulators:
    """E-step over a share of the utterances.

    Args:
        packs: read one after the other and gone through `config.batch` utterances at a time.

    Raises:
        UserError: statistics of another number of components or features than the model's.
    """
    inference = Inference(model, config.arithmetic, device)
    sums = _Sums(inference)
    for pack in packs:
        for begin in range(0, len(pack), config.batch):
            sums.add(pack.slice(begin, min(begin + config.batch, len(pack))))
    return sums.accumulators()


class _Sums:
    """Accumulators on the device, while they grow."""

    def __init__(self, inference: Inference) -> None:
        count, dim, rank = inference.shape
        self.inference = inference
        packed = rank * (rank + 1) // 2
        self.second, self.first, self.cross, self.prior_first, self.prior_second = (
            torch.zeros(shape, dtype=torch.float64, device=inference.device)
            for shape in ((count, packed), (count, rank), (count * dim, rank), (rank,), (packed,)))
        self.evidence, self.utterances, self.empty = 0.0, 0, 0

    def add(self, pack: Pack) -> None:
        n, f = self.inference.dense(pack)
        occupied = n.sum(dim=1) > 0
        self.utterances += int(occupied.sum())
        self.empty += int((~occupied).sum())
        n, f = n[occupied], f[occupied]
        posterior = self.inference.posterior(n, f)
        mean = posterior.mean
        moments = torch.baddbmm(posterior.covariance, mean.unsqueeze(2), mean.unsqueeze(1))
        moments = moments.reshape(len(mean), -1)[:, self.inference.lower]
        add_product(self.second, n.T, moments)
        add_product(self.first, n.T, mean)
        add_product(self.cross, f.T, mean)
        self.prior_first += mean.double().sum(dim=0)
        self.prior_second += moments.double().sum(dim=0)
        self.evidence += float(posterior.evidence.sum())

    def accumulators(self) -> Accumulators:
        second, first, cross, prior_first, prior_second = (
            each.cpu().numpy() for each in (self.second, self.first, self.cross, self.prior_first, self.prior_second))
        return Accumulators(second, first, cross.reshape(self.inference.shape), prior_first, prior_second,
                            self.evidence, self.utterances, self.empty)


def add_product(into: torch.Tensor, left: torch.Tensor, right: torch.Tensor) -> None:
    """into += left @ right; in double without a copy of the product."""
    if left.dtype == into.dtype:
        into.addmm_(left, right)
    else:
        into += (left @ right).double()


def objective(model: TotalVariability, accumulators: Accumulators, totals: Totals) -> float:
    """Marginal log-likelihood of a frame (nats), given which component each belongs to: what EM raises.

    sum_u (b' L^-1 b - log|L|) / 2 - sum_i (N_i (D log 2 pi + log|S_i|) + tr(S_i^-1 scatter_i)) / 2, over the frames.

    Args:
        totals: of the same utterances that were accumulated, full.
    """
    _, dim, _ = model.shape
    scatter = scatters(totals, model.centers)
    traces = np.trace(np.linalg.solve(model.covariances, scatter), axis1=1, axis2=2)
    determinants = np.linalg.slogdet(model.covariances)[1]
    frames = -0.5 * (totals.n @ (dim * np.log(2 * np.pi) + determinants) + traces.sum())
    return float((accumulators.evidence + frames) / totals.n.sum())


def scatters(totals: Totals, centers: np.ndarray) -> np.ndarray:
    """sum gamma (x - c)(x - c)' of each component (C, D, D)."""
    if not totals.full:
        raise UserError("total variability: full second-order totals are needed for covariances and objective")
    cross = totals.f[:, :, None] * centers[:, None, :]
    return totals.s - cross - cross.transpose(0, 2, 1) + totals.n[:, None, None] * (
        centers[:, :, None] * centers[:, None, :])


def update(model: TotalVariability, accumulators: Accumulators, totals: Totals,
           config: TotalVariabilityConfig) -> TotalVariability:
    """M-step.

    Args:
        accumulators: of all shares, summed in their order. totals: of the same utterances, full.

    Raises:
        UserError: no utterance had statistics.
    """
    if not accumulators.utterances:
        raise UserError("total variability: no utterance has statistics to train on")
    if model.offset:
        accumulators = uncenterd(model, accumulators, totals)
    scatter = scatters(totals, model.means)
    matrix, covariances = maximize(model, accumulators, totals, scatter, config)
    model = replace(model, matrix=matrix, covariances=covariances)
    return minimize_divergence(model, accumulators) if config.minimum_divergence else model


def uncenterd(model: TotalVariability, sums: Accumulators, totals: Totals) -> Accumulators:
    """From delta to w = delta + p, p = offset e1; and cross from F - N c to F. For form offset."""
    rank = model.shape[2]
    p = np.zeros(rank)
    p[0] = model.offset
    rows, columns = np.tril_indices(rank)

    def shifted(second: np.ndarray, first: np.ndarray, weight: np.ndarray) -> np.ndarray:
        return second + first[..., rows] * p[columns] + p[rows] * first[..., columns] + weight * (p[rows] * p[columns])

    # sum F w' = sum (F - N c) delta' + c (sum N delta)' + (sum F) p'
    first = sums.first + totals.n[:, None] * p
    cross = sums.cross + model.centers[:, :, None] * sums.first[:, None, :] + totals.f[:, :, None] * p
    return replace(sums, second=shifted(sums.second, sums.first, totals.n[:, None]), first=first, cross=cross,
                   prior_first=sums.prior_first + sums.utterances * p,
                   prior_second=shifted(sums.prior_second, sums.prior_first, np.float64(sums.utterances)))


def maximize(model: TotalVariability, sums: Accumulators, totals: Totals, scatter: np.ndarray,
             config: TotalVariabilityConfig) -> tuple[np.ndarray, np.ndarray]:
    """M (C, D, R) and covariances (C, D, D): M_i = cross_i second_i^-1, S_i = E of the residual's scatter / N_i.

    A component at a time: R x R matrices of all would not fit in bounded memory.
    """
    matrix, covariances = model.matrix.copy(), model.covariances.copy()
    for component in np.flatnonzero(totals.n >= config.least_frames):
        second, cross = square(sums.second[component]), sums.cross[component]
        m = matrix[component] = solved(second, cross.T).T
        if config.update_covariances:
            residual = scatter[component] - cross @ m.T - m @ cross.T + m @ second @ m.T
            covariances[component] = (residual + residual.T) / (2 * totals.n[component])
    return matrix, floored(covariances, model.floor) if config.update_covariances else covariances


def minimize_divergence(model: TotalVariability, sums: Accumulators) -> TotalVariability:
    """Take the fitted prior N(h, P) of w up into the model."""
    h = sums.prior_first / sums.utterances
    covariance = square(sums.prior_second) / sums.utterances - np.outer(h, h)
    factor = np.linalg.cholesky((covariance + covariance.T) / 2)
    if not model.offset:
        return replace(model, matrix=model.matrix @ factor, means=model.means + model.matrix @ h)
    # v = Q factor^-1 w has covariance I; the reflection Q turns its mean to the first axis.
    turned = np.linalg.solve(factor, h)
    offset = float(np.linalg.norm(turned))
    return replace(model, matrix=model.matrix @ (factor @ reflection(turned / offset)), offset=offset)


def reflection(direction: np.ndarray) -> np.ndarray:
    """Symmetric orthogonal Q (R, R) with Q direction = e1: Householder's, for a unit vector (R,)."""
    axis = np.zeros_like(direction)
    axis[0] = 1.0
    normal = direction - axis
    length = normal @ normal
    return np.eye(len(axis)) - (2.0 / length) * np.outer(normal, normal) if length > 1e-30 else np.eye(len(axis))


def square(packed: np.ndarray) -> np.ndarray:
    """Symmetric (R, R) of its lower triangle (P,), row by row."""
    rank = int((np.sqrt(8 * len(packed) + 1) - 1) / 2)
    out = np.zeros((rank, rank))
    rows, columns = np.tril_indices(rank)
    out[rows, columns] = packed
    out[columns, rows] = packed
    return out


def solved(matrix: np.ndarray, right: np.ndarray) -> np.ndarray:
    """matrix^-1 right for a symmetric positive matrix (R, R); by least squares where it is singular to rounding."""
    factor, information = torch.linalg.cholesky_ex(torch.from_numpy(matrix))
    if int(information) == 0:
        return torch.cholesky_solve(torch.from_numpy(right), factor).numpy()
    return np.linalg.lstsq(matrix, right, rcond=1e-12)[0]


def sum_accumulators(shares: Iterable[Accumulators]) -> Accumulators:
    """Of all shares, added in the order given."""
    shares = iter(shares)
    first = next(shares, None)
    if first is None:
        raise UserError("total variability: there are no shares to sum")
    total = replace(first)
    for share in shares:
        total.merge(share)
    return total


def fit(model: TotalVariability, packs: Callable[[], Iterable[Pack]], totals: Totals, config: TotalVariabilityConfig,
        device: str = "cpu", done: int = 0,
        after: Callable[[int, float, TotalVariability], None] | None = None) -> TotalVariability:
    """Iterations done + 1 to config.iterations in one process.

    Args:
        packs: gives all statistics anew for each iteration.
        done: iterations that the model has behind it (resume: pass the stored model and their number).
        after: called with the iteration's number, the objective of the model before it, and the model after it.
    """
    for iteration in range(done + 1, config.iterations + 1):
        accumulators = accumulate(model, packs(), config, device)
        value = objective(model, accumulators, totals)
        model = update(model, accumulators, totals, config)
        if after is not None:
            after(iteration, value, model)
    return model
