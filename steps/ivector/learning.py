"""What tells the components, where it has to be learned first: a Gaussian mixture, or clusters of hidden states."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from steps.data.dataset import Item
from steps.features.extractor import CannotCompute
from steps.ivector.config import CLUSTERS, GMM, IvectorExtractorConfig
from steps.ivector.occupancies import ClusterOccupier, Utterance, at_frames, squared_distances
from steps.ivector.speech import Speech
from steps.training.random_state import derive, shuffled
from utils.errors import UserError


def learn(config: IvectorExtractorConfig, items: Iterable[Item], speech: Speech,
          recognizer: object | None) -> dict[str, np.ndarray]:
    """Arrays of the mixture or the clusters; {} for the kinds that need none.

    Frames come from utterances in random order until there are `learning_frames`.
    """
    if config.occupancy == GMM:
        from steps.ivector import gmm

        pool = gather(config, items, speech, lambda utterance: utterance.features[utterance.voiced])
        mixture, history = gmm.train(lambda: [pool], config.gmm, config.seed)
        print(f"mixture: {len(pool)} frames, log-likelihood a frame {history[0]:.3f} to {history[-1]:.3f}")
        return mixture.to_arrays()
    if config.occupancy == CLUSTERS:
        assert recognizer is not None
        pool = gather(config, items, speech, lambda utterance: spoken_states(recognizer, utterance))
        return cluster(pool, config)
    return {}


def gather(config: IvectorExtractorConfig, items: Iterable[Item], speech: Speech,
           frames_of: Callable[[Utterance], np.ndarray]) -> np.ndarray:
    """float32 (N, F) with N at most `learning_frames`.

    Raises:
        UserError: no frames at all.
    """
    by_id = {item.id: item for item in items}

    def blocks() -> Iterator[np.ndarray]:
        for key in shuffled(by_id, config.seed, 0):
            try:
                yield np.asarray(frames_of(speech.of(by_id[key])), dtype=np.float32)
            except CannotCompute as reason:
                print(f"{key}: {reason}")

    pool: list[np.ndarray] = []
    total = 0
    for block in blocks():
        pool.append(block[:config.learning_frames - total])
        total += len(pool[-1])
        if total >= config.learning_frames:
            break
    if not total:
        raise UserError(f"i-vectors: no utterance of the training part has a voiced frame; look at the audio, or lower "
                        f"speaker_features.voice_activity.threshold (now "
                        f"{config.speaker_features.voice_activity.threshold})")
    return np.concatenate([block for block in pool if len(block)])


def spoken_states(recognizer: object, utterance: Utterance) -> np.ndarray:
    """Hidden states (N, H) of output frames that have speech in their center."""
    hidden = recognizer.hidden([utterance.fbank])[0]  # type: ignore[attr-defined]
    nearest = at_frames(len(utterance.voiced), len(hidden), recognizer.subsampling)  # type: ignore[attr-defined]
    voiced = np.zeros(len(hidden), dtype=bool)
    if len(hidden):
        voiced[nearest[utterance.voiced]] = True
    return hidden[voiced]


def cluster(states: np.ndarray, config: IvectorExtractorConfig) -> dict[str, np.ndarray]:
    """k-means of states (N, H).

    Raises:
        UserError: fewer states than clusters.
    """
    from sklearn.cluster import KMeans

    number = config.clusters.number
    if len(states) < number:
        raise UserError(f"clusters.number is {number}, and there are only {len(states)} frames to cluster; lower it")
    means = KMeans(number, n_init=1, max_iter=config.clusters.iterations, algorithm="lloyd",
                   random_state=derive(config.seed, "clusters") % 2**32).fit(states).cluster_centers_
    means = np.asarray(means, dtype=np.float64)
    nearest = np.concatenate([squared_distances(states[begin:begin + 4096], means).min(axis=1)
                              for begin in range(0, len(states), 4096)])
    variance = max(float(nearest.mean()) / states.shape[1], 1e-12)
    print(f"clusters: {len(states)} states, deviation {variance ** 0.5:.4g} in each of {states.shape[1]} dimensions")
    found = ClusterOccupier(None, means, variance, config.prune)  # type: ignore[arg-type]
    return found.to_arrays()
