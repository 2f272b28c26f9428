"""Random forest, grown by scikit-learn, kept as flat arrays.

The arrays hold the nodes of all trees one after the other: `left` and `right` children (-1 at a leaf), `feature`,
`threshold` (go left if x <= threshold), `value` (a leaf's class frequencies), and `start`, the first node of each tree.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from utils.arrays import Shapes

if TYPE_CHECKING:
    from sklearn.ensemble import RandomForestClassifier

FIELDS = ("start", "left", "right", "feature", "threshold", "value")


@dataclass(frozen=True)
class Forest:
    """start (trees,), left, right, feature: int32 (nodes,); threshold float64 (nodes,); value float64 (nodes, C)."""

    start: np.ndarray
    left: np.ndarray
    right: np.ndarray
    feature: np.ndarray
    threshold: np.ndarray
    value: np.ndarray

    def probabilities(self, rows: np.ndarray) -> np.ndarray:
        """(N, F) -> (N, C): the mean over trees of the class frequencies in the leaf."""
        rows = np.asarray(rows, dtype=np.float32)  # scikit-learn compares float32 values with float64 thresholds
        total = np.zeros((len(rows), self.value.shape[1]))
        everyone = np.arange(len(rows))
        for root in self.start:
            node = np.full(len(rows), root, dtype=np.int64)
            active = everyone[self.left[node] >= 0]
            while len(active):
                at = node[active]
                goes_left = rows[active, self.feature[at]] <= self.threshold[at]
                node[active] = np.where(goes_left, self.left[at], self.right[at])
                active = active[self.left[node[active]] >= 0]
            total += self.value[node]
        return total / len(self.start)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Arrays to be stored; `from_arrays` takes them back."""
        return {name: getattr(self, name) for name in FIELDS}

    SHAPES: ClassVar[Shapes] = {"start": ("T",), **dict.fromkeys(FIELDS[1:5], ("N",)), "value": ("N", "C")}

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> Forest:
        """
        Raises:
            ValueError: no trees: a child that is no node behind its parent would lead round for ever.
        """
        found = cls(**{name: np.asarray(arrays[name]) for name in FIELDS})
        nodes = len(found.left)
        whole = all(getattr(found, name).dtype.kind in "iu" for name in FIELDS[:4])
        if not whole or not len(found.start) or found.start.min() < 0 or found.start.max() >= nodes:
            raise ValueError("start is no list of nodes")
        inner = np.flatnonzero((found.left >= 0) | (found.right >= 0))
        for child in (found.left[inner], found.right[inner]):
            if (child <= inner).any() or (child >= nodes).any():
                raise ValueError("a child is no node behind its parent")
        if (found.feature < 0).any() or (found.value < 0).any():
            raise ValueError("a negative feature or probability")
        return found


def grow(rows: np.ndarray, labels: np.ndarray, classes: int, *, trees: int = 500, min_leaf: int = 1,
         balanced: bool = True, seed: int = 0, threads: int = 1) -> Forest:
    """Grow a forest; each split looks at sqrt(F) features.

    Args:
        rows: (N, F). labels: (N,) class numbers below `classes`; a class without a row gets probability 0.
    """
    from sklearn.ensemble import RandomForestClassifier  # using a forest needs no scikit-learn

    forest = RandomForestClassifier(trees, min_samples_leaf=min_leaf, max_features="sqrt", n_jobs=threads,
                                    class_weight="balanced" if balanced else None, random_state=seed % 2**32)
    forest.fit(rows, labels)
    return flatten(forest, classes)


def flatten(forest: RandomForestClassifier, classes: int) -> Forest:
    """scikit-learn's trees as arrays; its columns are the labels that occurred, ours are all classes."""
    columns: dict[str, list[np.ndarray]] = {name: [] for name in FIELDS}
    offset = 0
    for estimator in forest.estimators_:
        tree = estimator.tree_
        columns["start"].append(np.array([offset]))
        for name, child in (("left", tree.children_left), ("right", tree.children_right)):
            columns[name].append(np.where(child >= 0, child + offset, -1))
        columns["feature"].append(np.maximum(tree.feature, 0))
        columns["threshold"].append(tree.threshold)
        value = np.zeros((tree.node_count, classes))
        counts = tree.value[:, 0, :]
        value[:, forest.classes_.astype(int)] = counts / counts.sum(axis=1, keepdims=True)
        columns["value"].append(value)
        offset += tree.node_count
    joined = {name: np.concatenate(parts) for name, parts in columns.items()}
    return Forest(**{name: array if name in ("threshold", "value") else array.astype(np.int32)
                     for name, array in joined.items()})
