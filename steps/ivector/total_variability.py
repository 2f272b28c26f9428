"""The total variability model: the mean of component i in an utterance depends linearly on its i-vector w.

    standard   mean_i(w) = m_i + M_i w,  w ~ N(0, I)           Dehak et al., IEEE TASLP 2011
    offset     mean_i(w) = M_i w,        w ~ N(offset e1, I)   Kaldi's IvectorExtractor; the first column holds the mean

With delta = w - E[w] both forms are one: mean_i = c_i + M_i delta, delta ~ N(0, I), where c_i is m_i or offset M_i e1.
All of this package works on delta. That also spares the offset form the cancellation between numbers of the size of
offset^2 = 10^4 and posterior variances below 1. The posterior of delta, for statistics N_i and F_i of an utterance:

    L = I + sum_i N_i M_i' S_i^-1 M_i,   b = sum_i M_i' S_i^-1 (F_i - N_i c_i),   delta ~ N(L^-1 b, L^-1)

For many utterances at a time L is one matrix product: N (U, C) times the upper triangles of M_i' S_i^-1 M_i (C, P),
P = R (R + 1) / 2.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from steps.ivector.covariances import covariance_floor, floored
from steps.ivector.gmm import Gmm
from steps.ivector.statistics import Pack
from steps.training.random_state import generator
from utils.config import option
from utils.errors import UserError

FORMS = ("standard", "offset")
ARITHMETIC = {"double": torch.float64, "single": torch.float32}


@dataclass
class TotalVariabilityConfig:
    """How to train a total variability model."""

    dim: int = option(200, min=1, max=10**5, help="R, size of the i-vector")
    iterations: int = option(8, min=1, max=10**5, help="of EM")
    form: str = option("standard", choices=FORMS, help="standard: m + M w; offset: M w, Kaldi's")
    prior_offset: float = option(100.0, min=1e-3, max=1e6, help="mean of the first element of w, in form offset")
    minimum_divergence: bool = option(True, help="re-estimate the prior and take it up into M (and m)")
    update_covariances: bool = option(True)
    covariance_floor: float = option(0.1, min=0.0, max=1.0,
                                     help="share of the mean covariance, see steps.ivector.covariances")
    least_frames: float = option(1.0, min=0.0, max=10**9, help="a component with fewer keeps its M")
    batch: int = option(128, min=1, max=10**6, help="utterances at a time; memory grows by R^2 + C D for each")
    arithmetic: str = option("double", choices=tuple(ARITHMETIC), help=(
        "of the posteriors of a batch; sums over batches and the M-step are always double. Single is safe for "
        "extraction; in EM it rounds the objective, and the order of utterances matters in the same digits"))


@dataclass(frozen=True)
class TotalVariability:
    """matrix: M (C, D, R). means: m (C, D) of the standard form, zeros in form offset. covariances: S (C, D, D).
    floor: (D, D), no covariance goes below it. offset: mean of the first element of w; 0 is the standard form.
    All float64.
    """

    matrix: np.ndarray
    means: np.ndarray
    covariances: np.ndarray
    floor: np.ndarray
    offset: float = 0.0

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, D, R)."""
        return self.matrix.shape  # type: ignore[return-value]

    @property
    def centers(self) -> np.ndarray:
        """c (C, D): the component means of an utterance whose w is the prior mean."""
        return self.means + self.offset * self.matrix[:, :, 0]

    def to_arrays(self) -> dict[str, np.ndarray]:
        return {"matrix": self.matrix, "means": self.means, "covariances": self.covariances, "floor": self.floor,
                "offset": np.array([self.offset])}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> TotalVariability:
        return cls(*(np.array(arrays[name]) for name in ("matrix", "means", "covariances", "floor")),
                   float(arrays["offset"][0]))


def initialize(ubm: Gmm, config: TotalVariabilityConfig, seed: int = 0) -> TotalVariability:
    """A random M around the UBM: at first the means spread by w as frames do within a component.

    In form offset the first column is mean / offset (Kaldi: M_i e1 * offset = mean_i).

    Raises:
        UserError: the UBM has diagonal covariances.
    """
    if not ubm.full:
        raise UserError("total variability: the UBM has diagonal covariances; it takes full ones")
    floor = covariance_floor(ubm.weights, ubm.covariances, config.covariance_floor)
    covariances = floored(ubm.covariances, floor)
    count, dim = ubm.means.shape
    noise = generator(seed, "total variability").standard_normal((count, dim, config.dim)) / np.sqrt(config.dim)
    matrix = np.linalg.cholesky(covariances) @ noise
    if config.form == "standard":
        return TotalVariability(matrix, ubm.means.copy(), covariances, floor)
    matrix[:, :, 0] = ubm.means / config.prior_offset
    return TotalVariability(matrix, np.zeros_like(ubm.means), covariances, floor, config.prior_offset)


@dataclass(frozen=True)
class Posterior:
    """Of U utterances. mean: delta (U, R). covariance: (U, R, R). evidence: float64 (U,), see `Inference.posterior`."""

    mean: torch.Tensor
    covariance: torch.Tensor
    evidence: torch.Tensor


class Inference:
    """What posteriors need of a model, computed once and put on a device."""

    def __init__(self, model: TotalVariability, arithmetic: str = "double", device: str = "cpu") -> None:
        count, dim, rank = model.shape
        self.dtype, self.device = ARITHMETIC[arithmetic], torch.device(device)
        self.rank, self.shape = rank, model.shape
        rows, columns = np.tril_indices(rank)
        # The lower triangle of a matrix (R, R) that is stored flat.
        self.lower = torch.from_numpy(rows * rank + columns).to(self.device)
        matrix, covariances = (torch.from_numpy(each).to(self.device) for each in (model.matrix, model.covariances))
        projection = torch.cholesky_solve(matrix, torch.linalg.cholesky(covariances))
        self.centers = torch.from_numpy(model.centers).to(self.device)
        self.projection = projection.reshape(count * dim, rank).to(self.dtype)
        self.packed = torch.empty((count, len(rows)), dtype=self.dtype, device=self.device)
        # A block of components at a time: all R x R matrices at once would double the memory.
        for begin in range(0, count, 64):
            part = slice(begin, begin + 64)
            square = matrix[part].transpose(1, 2) @ projection[part]
            self.packed[part] = square.reshape(len(square), -1)[:, self.lower].to(self.dtype)

    def dense(self, pack: Pack) -> tuple[torch.Tensor, torch.Tensor]:
        """N (U, C) and F - N c (U, C D) of a pack, on the device; centerd in double, so that single loses nothing."""
        count, dim, _ = self.shape
        if pack.count != count or pack.dim != dim:
            raise UserError(f"i-vector statistics of {pack.count} components x {pack.dim} features; the total "
                            f"variability model has {count} x {dim}")
        components = torch.from_numpy(pack.components.astype(np.int64)).to(self.device)
        place = torch.from_numpy(pack.rows() * count).to(self.device) + components
        occupancy, first = torch.from_numpy(pack.n).to(self.device), torch.from_numpy(pack.f).to(self.device)
        n = torch.zeros(len(pack) * count, dtype=self.dtype, device=self.device)
        f = torch.zeros((len(pack) * count, dim), dtype=self.dtype, device=self.device)
        n[place] = occupancy.to(self.dtype)
        f[place] = (first - occupancy[:, None] * self.centers[components]).to(self.dtype)
        return n.reshape(len(pack), count), f.reshape(len(pack), count * dim)

    def posterior(self, n: torch.Tensor, f: torch.Tensor) -> Posterior:
        """Posterior of delta for N (U, C) and F - N c (U, C D).

        evidence is (b' L^-1 b - log|L|) / 2: what the marginal log-likelihood of an utterance has beyond that of its
        frames under N(c_i, S_i).
        """
        precision = torch.zeros((len(n), self.rank * self.rank), dtype=self.dtype, device=self.device)
        precision[:, self.lower] = n @ self.packed
        precision = precision.reshape(len(n), self.rank, self.rank)
        precision.diagonal(dim1=1, dim2=2).add_(1.0)
        linear = f @ self.projection
        factor = torch.linalg.cholesky(precision)  # reads the lower triangle only
        covariance = torch.cholesky_inverse(factor)
        mean = torch.cholesky_solve(linear.unsqueeze(2), factor).squeeze(2)
        half_determinant = factor.diagonal(dim1=1, dim2=2).double().log().sum(dim=1)
        return Posterior(mean, covariance, 0.5 * (linear.double() * mean.double()).sum(dim=1) - half_determinant)
