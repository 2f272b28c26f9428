"""Which utterances stand in which batch of which process: planned from durations alone, so that a resume costs seconds.

Shards come in a random order; a window of them is shuffled and sorted into buckets of like duration; a bucket gives its
batches in groups of one batch for each process, so that all processes of a step have utterances of like length. What is
left in a bucket waits for the next window. Every utterance stands in exactly one batch of an epoch; only where fewer
utterances than processes are left at the end are some of them doubled, and counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from steps.training.random_state import generator


class EpochPlan:
    """The batches of an epoch, for `world` processes.

    Args:
        seconds: duration of each utterance, (N,). shards: (first, end) utterance numbers, read one after the other.
        max_duration: most seconds of a batch with its padding. buckets: of like duration.
        window: utterances that are shuffled at a time. shortest, longest: other utterances are left out.

    Attributes:
        left_out: utterances shorter or longer than allowed. doubled: of the last epoch that was run to its end.
    """

    def __init__(self, seconds: np.ndarray, shards: Sequence[tuple[int, int]], *, max_duration: float,
                 buckets: int = 30, window: int = 100_000, shortest: float = 0.0, longest: float = np.inf,
                 world: int = 1, seed: int = 0):
        self.seconds, self.shards, self.max_duration = seconds, list(shards), max_duration
        self.window, self.world, self.seed = window, world, seed
        self.usable = (seconds >= shortest) & (seconds <= min(longest, max_duration))
        self.left_out = int(len(seconds) - self.usable.sum())
        kept = np.sort(seconds[self.usable])
        places = (np.arange(1, buckets) * len(kept)) // buckets
        self.edges = kept[places] if len(kept) else kept
        self.doubled = 0

    def groups(self, epoch: int) -> Iterator[list[np.ndarray]]:
        """For each step one batch of utterance numbers for each process."""
        self.doubled = 0
        random = generator(self.seed, "plan", epoch)
        waiting: dict[int, list[np.ndarray]] = {}
        for numbers in self._windows(random):
            bucket_of = np.searchsorted(self.edges, self.seconds[numbers], side="right")
            ready: list[list[np.ndarray]] = []
            for bucket in np.unique(bucket_of).tolist():
                found = numbers[bucket_of == bucket]
                batches = self._batches(np.concatenate([*waiting.pop(bucket, []), found]))
                # The last batch may not be full yet.
                whole = (len(batches) - 1) // self.world * self.world
                ready += [batches[start:start + self.world] for start in range(0, whole, self.world)]
                waiting[bucket] = batches[whole:]
            yield from (ready[place] for place in random.permutation(len(ready)))
        yield from self._rest([batch for bucket in sorted(waiting) for batch in waiting[bucket]])

    def batches(self, epoch: int, rank: int, start: int = 0) -> Iterator[np.ndarray]:
        """The batches of one process from number `start` on."""
        for number, group in enumerate(self.groups(epoch)):
            if number >= start:
                yield group[rank]

    def _windows(self, random: np.random.Generator) -> Iterator[np.ndarray]:
        """Shuffled utterance numbers of so many shards that they fill a window."""
        taken: list[np.ndarray] = []
        for place in random.permutation(len(self.shards)).tolist():
            first, end = self.shards[place]
            taken.append(first + np.flatnonzero(self.usable[first:end]))
            if sum(map(len, taken)) >= self.window:
                yield random.permutation(np.concatenate(taken))
                taken = []
        if taken:
            yield random.permutation(np.concatenate(taken))

    def _batches(self, numbers: np.ndarray) -> list[np.ndarray]:
        """Cut a bucket's utterances, in their order, into batches whose padded duration fits."""
        found, start, longest = [], 0, 0.0
        for place, seconds in enumerate(self.seconds[numbers].tolist()):
            longest = max(longest, seconds)
            if longest * (place + 1 - start) > self.max_duration:
                found.append(numbers[start:place])
                start, longest = place, seconds
        if start < len(numbers):
            found.append(numbers[start:])
        return found

    def _rest(self, batches: list[np.ndarray]) -> Iterator[list[np.ndarray]]:
        """What no window filled: batches over neighboring buckets, as many for each process."""
        if not batches:
            return
        numbers = np.concatenate(batches)
        batches = self._batches(numbers[np.argsort(self.seconds[numbers], kind="stable")])
        whole = len(batches) // self.world * self.world
        for start in range(0, whole, self.world):
            yield batches[start:start + self.world]
        if whole < len(batches):
            yield self._shared(batches[whole:])

    def _shared(self, batches: list[np.ndarray]) -> list[np.ndarray]:
        """Fewer batches than processes -> one for each: the largest are halved, single utterances doubled."""
        while len(batches) < self.world:
            largest = max(batches, key=len)
            if len(largest) == 1:
                self.doubled = self.world - len(batches)
                return [batches[place % len(batches)] for place in range(self.world)]
            place = next(place for place, batch in enumerate(batches) if batch is largest)
            batches = [*batches[:place], *np.array_split(largest, 2), *batches[place + 1:]]
        return batches
