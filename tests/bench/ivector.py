"""One EM iteration of the total variability model against numpy an utterance at a time; see tests/bench/ivector.sh.

Each candidate runs in a process of its own with the same number of threads and reads the same statistics, pack by
pack, from the same files; it reports its seconds and its peak memory. Candidates take turns within each round; the best
round of each counts. The models that come out are compared, so that nobody wins by doing less.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
CANDIDATES = ("package", "package-single", "numpy", "bob")
_PACK = 100


def write_world(directory: Path, sizes: argparse.Namespace) -> None:
    """A random model and statistics of utterances of about 3 s (300 frames), `active` components in each."""
    rng = np.random.default_rng(0)
    count, dim, rank = sizes.components, sizes.dim, sizes.rank
    roots = np.eye(dim) + 0.05 * rng.standard_normal((count, dim, dim))
    covariances = roots @ roots.transpose(0, 2, 1)
    matrix = rng.standard_normal((count, dim, rank)) / np.sqrt(rank)
    means = rng.standard_normal((count, dim))
    np.savez(directory / "model.npz", matrix=matrix, means=means, covariances=covariances)
    total_n, total_f, total_s = np.zeros(count), np.zeros((count, dim)), np.zeros((count, dim, dim))
    for pack, begin in enumerate(range(0, sizes.utterances, _PACK)):
        number = min(_PACK, sizes.utterances - begin)
        components = np.stack([np.sort(rng.permutation(count)[:sizes.active]) for _ in range(number)]).astype(np.int32)
        n = rng.dirichlet(np.ones(sizes.active), size=number) * 300
        shifts = (rng.standard_normal((number, rank)) @ matrix.reshape(-1, rank).T).reshape(number, count, dim)
        rows = np.arange(number)[:, None]
        center = means[components] + shifts[rows, components]
        center += rng.standard_normal(center.shape) / np.sqrt(n + 1e-3)[:, :, None]
        f = n[:, :, None] * center
        np.savez(directory / f"pack.{pack:03}.npz", components=components.ravel(), n=n.ravel(), f=f.reshape(-1, dim),
                 indptr=np.arange(number + 1, dtype=np.int64) * sizes.active, count=np.array([count]))
        np.add.at(total_n, components, n)
        np.add.at(total_f, components, f)
        scaled = np.zeros((number, count, dim))
        scaled[rows, components] = np.sqrt(n)[:, :, None] * center
        total_s += scaled.transpose(1, 2, 0) @ scaled.transpose(1, 0, 2)
    total_s += total_n[:, None, None] * covariances
    np.savez(directory / "totals.npz", n=total_n, f=total_f, s=total_s, log_likelihood=np.zeros(1),
             frames=np.zeros(1, np.int64))


def packs(directory: Path) -> Iterator[dict[str, np.ndarray]]:
    for path in sorted(directory.glob("pack.*.npz")):
        with np.load(path) as arrays:
            yield dict(arrays)


def package(directory: Path, arithmetic: str) -> dict[str, object]:
    """The package's iteration; and the seconds of it that R x R factors and solves took."""
    import torch

    from steps.ivector import em
    from steps.ivector.statistics import Pack, Totals
    from steps.ivector.total_variability import TotalVariability, TotalVariabilityConfig

    model = dict(np.load(directory / "model.npz"))
    dim, rank = model["matrix"].shape[1:]
    totals = Totals.from_arrays(np.load(directory / "totals.npz"))
    config = TotalVariabilityConfig(dim=rank, arithmetic=arithmetic, batch=_PACK)
    start = TotalVariability(model["matrix"], model["means"], model["covariances"], 1e-6 * np.eye(dim))
    spent = Stopwatch()
    for owner, name in ((torch.linalg, "cholesky"), (torch.linalg, "cholesky_ex"), (torch, "cholesky_inverse"),
                        (torch, "cholesky_solve")):
        spent.watch(owner, name)
    began = time.perf_counter()
    sums = em.accumulate(start, (Pack.from_arrays(arrays) for arrays in packs(directory)), config)
    expected = time.perf_counter()
    after = em.update(start, sums, totals, config)
    value = em.objective(start, sums, totals)
    ended = time.perf_counter()
    return {"seconds": ended - began, "e_step": expected - began, "solves": spent.seconds, "objective": value,
            "model": [after.matrix, after.covariances]}


class Stopwatch:
    """Seconds spent in some functions, which must not call each other."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def watch(self, owner: object, name: str) -> None:
        function = getattr(owner, name)

        def timed(*arguments, **options):
            began = time.perf_counter()
            try:
                return function(*arguments, **options)
            finally:
                self.seconds += time.perf_counter() - began

        setattr(owner, name, timed)


def numpy_reference(directory: Path) -> dict[str, object]:
    """The same iteration in numpy, an utterance at a time, with packed M'S^-1M and packed sums N E[ww']."""
    model = dict(np.load(directory / "model.npz"))
    totals = dict(np.load(directory / "totals.npz"))
    matrix, means, covariances = model["matrix"], model["means"], model["covariances"]
    count, dim, rank = matrix.shape
    lower = np.tril_indices(rank)
    began = time.perf_counter()
    projection = np.linalg.solve(covariances, matrix)
    packed = np.stack([(m.T @ p)[lower] for m, p in zip(matrix, projection, strict=True)])
    second, cross = np.zeros_like(packed), np.zeros((count, dim, rank))
    first, moments, utterances = np.zeros(rank), np.zeros((rank, rank)), 0
    for arrays in packs(directory):
        for begin, end in zip(arrays["indptr"][:-1], arrays["indptr"][1:], strict=True):
            # All components: views; some: numpy copies their rows, which still beats all of them.
            active = slice(None) if end - begin == count else arrays["components"][begin:end]
            n, f = arrays["n"][begin:end], arrays["f"][begin:end]
            centerd = f - n[:, None] * means[active]
            precision = np.eye(rank)
            precision[lower] += n @ packed[active]
            precision[lower[1], lower[0]] = precision[lower]
            spread = np.linalg.inv(precision)
            w = spread @ (centerd.reshape(-1) @ projection[active].reshape(-1, rank))
            ww = spread + np.outer(w, w)
            second[active] += n[:, None] * ww[lower]
            cross[active] += centerd[:, :, None] * w
            first += w
            moments += ww
            utterances += 1
    for c in range(count):
        square = np.zeros((rank, rank))
        square[lower] = second[c]
        square[lower[1], lower[0]] = second[c]
        matrix[c] = np.linalg.solve(square, cross[c].T).T
        outer = np.outer(totals["f"][c], means[c])
        scatter = totals["s"][c] - outer - outer.T + totals["n"][c] * np.outer(means[c], means[c])
        covariances[c] = (scatter - matrix[c] @ cross[c].T) / totals["n"][c]
    h = first / utterances
    matrix = matrix @ np.linalg.cholesky(moments / utterances - np.outer(h, h))
    return {"seconds": time.perf_counter() - began, "model": [matrix, covariances]}


def bob(directory: Path) -> dict[str, object]:
    """bob.learn.em's iteration; its covariances are diagonal, and it has neither packing nor minimum divergence."""
    from bob.learn.em import GMMMachine, GMMStats, IVectorMachine

    model = dict(np.load(directory / "model.npz"))
    count, dim, rank = model["matrix"].shape
    ubm = GMMMachine(count)
    ubm.means = model["means"]
    ubm.variances = np.ascontiguousarray(np.einsum("cdd->cd", model["covariances"]))
    ubm.weights = np.full(count, 1 / count)
    utterances = []
    for arrays in packs(directory):
        for begin, end in zip(arrays["indptr"][:-1], arrays["indptr"][1:], strict=True):
            each = GMMStats(count, dim)
            active, n, f = arrays["components"][begin:end], arrays["n"][begin:end], arrays["f"][begin:end]
            each.n[active], each.sum_px[active] = n, f
            each.sum_pxx[active] = f * f / n[:, None] + n[:, None] * ubm.variances[active]
            each.t = 300
            utterances.append(each)
    machine = IVectorMachine(ubm, dim_t=rank, max_iterations=1, update_sigma=True)
    began = time.perf_counter()
    machine.fit(utterances)
    return {"seconds": time.perf_counter() - began, "utterances": len(utterances)}


def one(name: str, directory: Path) -> None:
    """In a process of its own: run a candidate, write its figures to standard output and its model beside."""
    runs = {"package": lambda: package(directory, "double"), "package-single": lambda: package(directory, "single"),
            "numpy": lambda: numpy_reference(directory), "bob": lambda: bob(directory)}
    out = runs[name]()
    matrix, covariances = out.pop("model", (None, None))
    if matrix is not None:
        # Up to a rotation of w: what M M' does to a few directions.
        tall = matrix.reshape(-1, matrix.shape[2])
        probe = np.random.default_rng(1).standard_normal((len(tall), 3))
        np.savez(directory / f"after.{name}.npz", span=tall @ (tall.T @ probe), covariances=covariances)
    out["peak_gib"] = peak()
    print(json.dumps(out))


def peak() -> float:
    """Largest resident memory of this program in GiB; that of getrusage would include the parent's before exec."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split("VmHWM:")[1].split()[0]) / 2**20


def measure(name: str, python: str, directory: Path, threads: int) -> dict[str, float]:
    environment = os.environ | {key: str(threads) for key in ("OMP_NUM_THREADS", "MKL_NUM_THREADS",
                                                              "OPENBLAS_NUM_THREADS")} | {"PYTHONPATH": str(ROOT)}
    result = subprocess.run([python, __file__, "--one", name, "--world", str(directory)], env=environment,
                            stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(result.stdout.splitlines()[-1])


def difference(directory: Path, name: str) -> float:
    """Largest difference of the model from numpy's, relative to its largest value."""
    ours, theirs = np.load(directory / f"after.{name}.npz"), np.load(directory / "after.numpy.npz")
    return max(float(np.abs(ours[key] - theirs[key]).max() / np.abs(theirs[key]).max()) for key in ours)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for option, default in (("rounds", 1), ("threads", os.cpu_count()), ("utterances", 2000), ("components", 512),
                            ("dim", 60), ("rank", 200), ("active", 512)):
        parser.add_argument(f"--{option}", type=int, default=default)
    parser.add_argument("--only", nargs="+", choices=CANDIDATES, default=["package", "package-single", "numpy"])
    parser.add_argument("--bob", metavar="PYTHON", help="an interpreter that has bob.learn.em")
    parser.add_argument("--one", choices=CANDIDATES, help=argparse.SUPPRESS)
    parser.add_argument("--world", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        return one(options.one, options.world)
    options.active = min(options.active, options.components)
    names = [*options.only, *(["bob"] if options.bob and "bob" not in options.only else [])]
    with tempfile.TemporaryDirectory() as place:
        directory = Path(place)
        write_world(directory, options)
        print(f"C {options.components} ({options.active} active) D {options.dim} R {options.rank} U "
              f"{options.utterances}, {options.threads} threads, load {os.getloadavg()[0]:.1f}", flush=True)
        best: dict[str, dict[str, float]] = {}
        for number in range(options.rounds):
            for name in names:
                python = options.bob if name == "bob" else sys.executable
                figures = measure(name, python, directory, options.threads)
                print(f"round {number + 1}: {name}: {figures}", flush=True)
                if name not in best or figures["seconds"] < best[name]["seconds"]:
                    best[name] = figures
        report(best, directory)
    return None


def report(best: dict[str, dict[str, float]], directory: Path) -> None:
    for name, figures in best.items():
        line = f"{name:15} {figures['seconds']:8.2f} s  peak {figures['peak_gib']:.2f} GiB"
        if "solves" in figures:
            line += f"  R x R factors and solves {100 * figures['solves'] / figures['seconds']:.0f} %"
        if name.startswith("package"):
            line += "".join(f"  {best[other]['seconds'] / figures['seconds']:.1f} times {other}"
                            for other in ("numpy", "bob") if other in best)
            if "numpy" in best:
                line += f"  differs by {difference(directory, name):.1e}"
        print(line)


if __name__ == "__main__":
    sys.exit(main())
