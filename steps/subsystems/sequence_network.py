"""Networks on sequences of frames."""

from __future__ import annotations

import math
import os
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from steps.examples.part import Features, Frames, Part
from steps.features.masking import spec_augment
from steps.models.attention_rnn import AttentionRnn
from steps.models.heads.branches import Outputs
from steps.semi_supervised.views import Change
from steps.subsystems.network import Draw, NetworkLearner, NetworkPredictor, epoch_order
from steps.subsystems.network_config import FramesConfig, SequenceNetworkConfig
from steps.training import distributed
from steps.training.random_state import derive, generator
from utils.errors import UserError
from utils.prefetch import in_order

CACHE_BYTES = 4 << 30  # most that is kept of sequences in memory; beyond it they are read from the archive every epoch
CACHE_SHARE = 0.25  # of the job's memory; a batch, the network and the manifest need the rest
POOL = 8  # batches: an utterance shares its batch with the nearest in length among so many batches' utterances


def stacked(frames: np.ndarray, stack: int, stride: int) -> np.ndarray:
    """(T, F) -> (ceil(T / stride), stack * F): row t holds the frames t * every ... t * stride + stack - 1.

    Behind the last frame stands the last frame again, so that none is lost and the shortest utterance has one row.
    """
    if stack == stride == 1:
        return frames
    rows = np.arange(0, len(frames), stride)[:, None] + np.arange(stack)
    return frames[np.minimum(rows, len(frames) - 1)].reshape(len(rows), -1)


class Room:
    """Bytes that the sequences of all parts may take together; None: not asked for yet."""

    def __init__(self) -> None:
        self.left: int | None = None
        self._lock = threading.RLock()  # give_back may run while the same thread is in `take`

    def take(self, size: int) -> bool:
        """Whether there was room; it is taken."""
        with self._lock:
            if self.left is None:
                self.left = cache_limit()
            if size > self.left:
                return False
            self.left -= size
            return True

    def give_back(self, taken: list[int]) -> None:
        with self._lock:
            self.left = (self.left or 0) + sum(taken)


ROOM = Room()


def cache_limit() -> int:
    """A share of the memory that the job has (the machine, where none says), for each process that trains in it."""
    memory = int(os.environ.get("EMOTION_MEMORY") or os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    return min(CACHE_BYTES, int(CACHE_SHARE * memory) // max(1, int(os.environ.get("LOCAL_WORLD_SIZE") or 1)))


class Sequences:
    """The sequences of a part by position, normalized, kept in memory as far as there is room (`cache_limit`)."""

    layout = "frames"

    def __init__(self, features: Features, config: FramesConfig, room: Room | None = None):
        self.features, self.config = features, config
        self._kept: dict[int, np.ndarray] = {}
        self._room, self._taken, self._lock = room or ROOM, [0], threading.Lock()
        weakref.finalize(self, self._room.give_back, self._taken)
        self._lengths: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.features)

    def __getitem__(self, position: int) -> np.ndarray:
        """float32 (T, F), as stored, not yet stacked."""
        kept = self._kept.get(position)
        if kept is not None:
            return kept
        frames = self.read(position)
        with self._lock:
            if position not in self._kept and self._room.take(frames.nbytes):
                self._taken[0] += frames.nbytes
                self._kept[position] = frames
        return frames

    def read(self, position: int) -> np.ndarray:
        """What is kept of an utterance."""
        frames = self.features[position]
        return normalized(frames) if self.config.normalize_utterance else frames

    def batch(self, positions: np.ndarray, masks: Mapping[int, np.random.Generator] | None = None) -> dict[str, Tensor]:
        """{"x": float32 (N, T, stack * F), zero behind "lengths" (N,)}; masks: a generator a position, in training."""
        masks = masks if self.config.masked else None
        return self._padded([self[position] if masks is None else
                             spec_augment(self[position], self.config, masks[position])
                             for position in positions.tolist()])

    def view(self, positions: Sequence[int], change: Change,
             randoms: Sequence[np.random.Generator]) -> dict[str, Tensor]:
        """As `batch`, of changed copies (steps/semi_supervised/batches.py)."""
        return self._padded([change(self[position], random)
                             for position, random in zip(positions, randoms, strict=True)])

    def _padded(self, sequences: list[np.ndarray]) -> dict[str, Tensor]:
        """{"x", "lengths"} of (T, F) each, see `batch`."""
        return padded([stacked(frames, self.config.stack, self.config.stride) for frames in sequences])

    def training_batch(self, chosen: np.ndarray, batch: np.ndarray,
                       randoms: Mapping[int, np.random.Generator]) -> dict[str, Tensor]:
        """As `batch`, of what this process takes (`chosen`) of a training batch; randoms: a generator a position."""
        return self.batch(chosen, randoms)

    def lengths(self) -> np.ndarray:
        """(N,) frames of each."""
        if self._lengths is None:
            self._lengths = (self.features.lengths() if isinstance(self.features, Frames) else
                             np.array([len(self[position]) for position in range(len(self))]))
        return self._lengths


def padded(rows: Sequence[np.ndarray]) -> dict[str, Tensor]:
    """{"x": (N, T, ...) of N arrays (T, ...) of one type, zero behind "lengths" (N,)}."""
    lengths = np.array([len(row) for row in rows])
    x = np.zeros((len(rows), lengths.max(initial=1), *rows[0].shape[1:]), dtype=rows[0].dtype)
    for number, row in enumerate(rows):
        x[number, :len(row)] = row
    return {"x": torch.from_numpy(x), "lengths": torch.from_numpy(lengths)}


def normalized(frames: np.ndarray) -> np.ndarray:
    """(T, F) with mean 0 and deviation 1 over its own frames; a column that does not vary becomes 0."""
    mean, std = frames.mean(axis=0, dtype=np.float64), frames.std(axis=0, dtype=np.float64)
    flat = std <= 1e-6 * np.maximum(1.0, np.abs(mean))
    return np.where(flat, 0.0, (frames - mean) / np.where(flat, 1.0, std)).astype(np.float32)


class SequenceBatches:
    """Batches of like length for the trainer; everything is a function of (seed, epoch, utterance ids).

    Args:
        targets: task -> (N, ...), see TaskBranches.loss. ids: of the N items.
        workers: threads that read ahead; the batches do not depend on them.

    The utterances of an epoch are shuffled, POOL batches of them at a time sorted by length and cut into batches, and
    the batches shuffled. Each process has an item of every batch.

    Raises:
        UserError: more processes than items.
    """

    def __init__(self, sequences: Sequences, targets: dict[str, Tensor], ids: list[str], batch_size: int, seed: int,
                 world: distributed.World | None = None, draw: Draw | None = None, workers: int = 0):
        self.workers = workers
        self.sequences, self.targets, self.ids, self.seed, self.draw = sequences, targets, ids, seed, draw
        self.world = world or distributed.World()
        self.length = sequences.lengths()
        count = len(epoch_order(ids, seed, 1, draw))
        if count < self.world.size:
            raise UserError(f"{count} training utterances cannot be shared by {self.world.size} processes; lower "
                            "--processes")
        self.batches = min(math.ceil(count / batch_size), count // self.world.size)

    def count(self, epoch: int) -> int:
        return self.batches

    def plan(self, epoch: int) -> list[np.ndarray]:
        """The positions of each batch of the epoch."""
        order = epoch_order(self.ids, self.seed, epoch, self.draw)
        cut = np.array_split(np.arange(len(order)), self.batches)
        plan = []
        for first in range(0, self.batches, POOL):
            group = cut[first:first + POOL]
            pool = order[group[0][0]:group[-1][-1] + 1]
            pool = pool[np.argsort(self.length[pool], kind="stable")]
            plan += np.split(pool, np.cumsum([len(part) for part in group])[:-1])
        return sorted(plan, key=lambda batch: derive(self.seed, epoch, "batch", self.ids[batch[0]]))

    def epoch(self, epoch: int, start: int) -> Iterator[dict[str, Any]]:
        return in_order(lambda batch: self._read(epoch, batch), self.plan(epoch)[start:], self.workers)

    def _read(self, epoch: int, batch: np.ndarray) -> dict[str, Any]:
        """What this process takes of a batch."""
        chosen = batch[self.world.rank::self.world.size]
        randoms = {position: generator(self.seed, "mask", epoch, self.ids[position]) for position in chosen.tolist()}
        return {"position": torch.from_numpy(chosen.copy()),
                **self.sequences.training_batch(chosen, batch, randoms),
                "targets": {task: labels[torch.from_numpy(chosen)] for task, labels in self.targets.items()}}


class SequencePredictor(NetworkPredictor):
    """A network on sequences."""

    reads: ClassVar[type[Sequences]] = Sequences

    def prepare(self, part: Part) -> Sequences:
        return self.reads(part.x, self.config.frames)

    def forward(self, prepared: Sequences) -> dict[str, np.ndarray]:
        """{head: float64 (N, C)}."""
        return self._values(prepared, self.model, list(self.heads.values()))

    def embed(self, part: Part) -> np.ndarray:
        def compute(*batch: Tensor) -> dict[str, Tensor]:
            return {"shared": self.model.shared(*batch)}  # type: ignore[operator]

        return self._values(self.prepare(part), compute, ["shared"])["shared"].astype(np.float32)

    def _values(self, prepared: Sequences, compute: Callable[..., dict[str, Tensor]], names: list[str],
                rows: int = 64) -> dict[str, np.ndarray]:
        """{name: float64 (N, ...)} of what `compute` gives, `rows` sequences of like length at a time."""
        self.model.eval()
        values: dict[str, np.ndarray] = {name: np.empty((0, 0)) for name in names}
        order = np.argsort(prepared.lengths(), kind="stable")
        with torch.no_grad():
            for first in range(0, len(order), rows):
                chosen = order[first:first + rows]
                batch = prepared.batch(chosen)
                found = compute(batch["x"].to(self.device), batch["lengths"].to(self.device))
                for name in names:
                    if not first:
                        values[name] = np.empty((len(prepared), found[name].shape[1]))
                    values[name][chosen] = found[name].double().cpu().numpy()
        return values


class SequenceNetworkLearner(NetworkLearner):
    """What networks on sequences share; `Predictor` says how they read them."""

    Predictor: ClassVar[type[SequencePredictor]] = SequencePredictor

    def inputs(self, part: Part) -> Sequences:
        return self.Predictor.reads(part.x, self.config.frames)

    def batches(self, part: Part, labels: dict[str, Tensor]) -> SequenceBatches:
        return SequenceBatches(self.Predictor.reads(part.x, self.config.frames), labels, part.ids,
                               self.config.training.batch_size, self.workspace.seed, self.world, self.draw(part),
                               self.config.training.workers)


class AttentionRnnLearner(SequenceNetworkLearner):
    """Subsystem C: recurrent network with attention-weighted pooling, single- and multitask."""

    @staticmethod
    def build(config: SequenceNetworkConfig, inputs: int, outputs: Mapping[str, Outputs],
              weights: Mapping[str, Tensor]) -> AttentionRnn:
        return AttentionRnn(config.frames.stack * inputs, outputs, config.model, weights)
