"""A trained i-vector extractor as a directory that says all that extraction needs:

    extractor.json           features, occupancies, the recognizer's fingerprint, what it was trained on; written last
    model.safetensors        the total variability model, the map of merged components, the mixture or the clusters
    backend.safetensors      whitening, LDA, PLDA, learned on the training speakers
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from steps.data.dataset import Item
from steps.ivector.archive import prefixed, read_arrays, unprefixed, write_arrays
from steps.ivector.backend import Backend
from steps.ivector.config import CLUSTERS, GMM, KINDS, PHONE_STATES
from steps.ivector.occupancies import HEAD_ABOUT, HeadAlone, Occupier, Utterance, open_occupier
from steps.ivector.sparse import Occupancies
from steps.ivector.speaker_features import SpeakerFeaturesConfig
from steps.ivector.speech import Speech, cepstra_of
from steps.ivector.statistics import Pack, Statistics
from steps.ivector.total_variability import Inference, TotalVariability
from utils.arrays import Shapes, arrays_digest, read_safetensors
from utils.config import from_dict
from utils.errors import UserError, reading
from utils.files import read_json, write_json
from utils.shape import NAME, Maybe, Number, OneOf, check

if TYPE_CHECKING:
    from steps.asr.recognizers.recognizer import Recognizer
    from steps.features.extractor import Extractor

ABOUT, MODEL, BACKEND = "extractor.json", "model.safetensors", "backend.safetensors"
FORMAT = 1
AGAIN = "copy or train the extractor again"
FORM = {  # of extractor.json
    "occupancy": OneOf(*KINDS), "prune": Number(0, 1), "top": Number(1, 10**6, whole=True), "fingerprint": str,
    "cepstra": {"name": NAME, "options": {str: Any}}, "speaker_features": {str: Any}, "recognizer": Maybe(str)}
SHAPES: Shapes = {  # of model.safetensors
    "total_variability.matrix": ("C", "D", "R"), "total_variability.means": ("C", "D"),
    "total_variability.covariances": ("C", "D", "D"), "total_variability.floor": ("D", "D"),
    "total_variability.offset": (1,), "mapping": ("M",)}
OF_OCCUPANCY: dict[str, Shapes] = {
    GMM: {"occupancy.weights": ("M",), "occupancy.means": ("M", "D")},
    CLUSTERS: {"occupancy.means": ("M", "H"), "occupancy.variance": (1,)}}


class IvectorExtractor:
    """Ready to extract. Open it with `IvectorExtractor.load`.

    Attributes:
        about: extractor.json. dim: R. model: total variability. mapping: of merged components.
    """

    def __init__(self, about: Mapping[str, Any], model: TotalVariability, mapping: np.ndarray, occupier: Occupier,
                 speech: Speech):
        self.about, self.model, self.mapping = dict(about), model, mapping
        self.occupier, self.speech = occupier, speech
        self.dim = model.shape[2]
        self._inference = Inference(model)

    @classmethod
    def load(cls, directory: Path, asr: Path | None = None, device: str = "cpu") -> IvectorExtractor:
        """
        Args:
            asr: the recognizer's directory; not needed where a mixture tells the components.

        Raises:
            UserError: no extractor there, no recognizer, or another one than the extractor was trained with.
        """
        about = read_about(directory)
        recognizer = None if about["occupancy"] == GMM else open_asr(asr, about["occupancy"], device)
        arrays = read_safetensors(directory / MODEL, SHAPES | OF_OCCUPANCY.get(about["occupancy"], {}), AGAIN)
        with reading(directory, AGAIN):
            occupier = open_occupier(about["occupancy"], recognizer, asr, unprefixed("occupancy", arrays),
                                     about["prune"], about["top"])
            check_fingerprint(about, occupier, directory, asr)
            speech = Speech(cepstra_of(about["cepstra"]["name"], about["cepstra"]["options"]),
                            from_dict(SpeakerFeaturesConfig, about["speaker_features"]), recognizer)
            mapping, model = arrays["mapping"], TotalVariability.from_arrays(unprefixed("total_variability", arrays))
            if mapping.dtype.kind != "i" or not -1 <= mapping.min() <= mapping.max() == model.shape[0] - 1 or \
                    len(mapping) != occupier.count:
                raise ValueError("mapping does not lead to the model's components")
            return cls(about, model, mapping, occupier, speech)

    def statistics(self, utterance: Utterance) -> Statistics:
        """Over the components of the model, from the frames that have a component."""
        return statistics_of(utterance, self.occupier.of(utterance).mapped(self.mapping))

    def vector(self, utterance: Utterance) -> tuple[np.ndarray, bool]:
        """float32 (R,): posterior mean less the prior's mean; and whether the utterance had no statistics, so that the
        vector is the prior mean, 0."""
        count, dim, _ = self.model.shape
        statistics = self.statistics(utterance)
        if not len(statistics.components):
            return np.zeros(self.dim, dtype=np.float32), True
        posterior = self._inference.posterior(*self._inference.dense(Pack.of([statistics], count, dim)))
        return posterior.mean[0].double().numpy().astype(np.float32), False

    def of(self, item: Item) -> tuple[np.ndarray, bool]:
        """`vector` of an utterance of a data set.

        Raises:
            UserError: the recording cannot be read.
        """
        return self._vector_of(lambda: self.speech.of(item))

    def heard(self, compute: Callable[[Extractor], np.ndarray]) -> tuple[np.ndarray, bool]:
        """`vector` of an utterance of no data set; `compute` gives an extractor's features of it."""
        return self._vector_of(lambda: self.speech.heard("", compute))

    def _vector_of(self, read: Callable[[], Utterance]) -> tuple[np.ndarray, bool]:
        from steps.features.extractor import CannotCompute

        try:
            utterance = read()
        except CannotCompute:  # too short for a frame: nothing is known of it, as of silence
            return np.zeros(self.dim, dtype=np.float32), True
        return self.vector(utterance)


def statistics_of(utterance: Utterance, occupancies: Occupancies) -> Statistics:
    """From the frames that have a component."""
    used = np.flatnonzero(np.diff(occupancies.indptr))
    return Statistics.of(utterance.features[used], occupancies.select(used))


def open_asr(asr: Path | None, occupancy: str, device: str = "cpu") -> Recognizer | HeadAlone:
    """The recognizer; or, for phone states, a head in a directory of its own, which was trained without one.

    Raises:
        UserError: none is given, or there is none.
    """
    if asr is None:
        raise UserError(f"occupancy {occupancy} takes a recognizer: give --asr DIR, or --occupancy gmm", 2)
    if occupancy == PHONE_STATES and (asr / HEAD_ABOUT).is_file():
        return HeadAlone.open(asr)
    from steps.asr.recognizers.recognizer import open_recognizer

    return open_recognizer(asr, device)


def records_behind(asr: Path) -> list[dict[str, Any]]:
    """What a recognizer, and the head below it, were trained on; one that does not say is unknown to the audit."""
    from steps.data.trained_on import read_training

    return read_training(asr) or [{"component": "recognizer behind the i-vectors", "corpus": str(asr), "utterances": 0,
                                   "speakers": None, "sentences": None, "recordings": None}]


def check_fingerprint(about: Mapping[str, Any], occupier: Occupier, directory: Path, asr: Path | None) -> None:
    """
    Raises:
        UserError: the occupancies would not be those of training.
    """
    if occupier.fingerprint != about["recognizer"]:
        raise UserError(f"{directory} was trained with the recognizer {about['recognizer']}, {asr} is "
                        f"{occupier.fingerprint}; give the former with --asr, or train the extractor again")


def read_about(directory: Path) -> dict[str, Any]:
    """extractor.json.

    Raises:
        UserError: no extractor there, a damaged one, or one of another format.
    """
    try:
        about = read_json(directory / ABOUT, {str: Any}, AGAIN)
    except FileNotFoundError as error:
        raise UserError(f"{directory} is no i-vector extractor ({ABOUT} is missing); train one with "
                        "steps/train_ivector_extractor.sh", 2) from error
    if about.get("format") != FORMAT:
        raise UserError(f"{directory / ABOUT} has format {about.get('format')}; this version reads {FORMAT}")
    check(about, FORM, directory / ABOUT, AGAIN)
    return about


def save_extractor(directory: Path, about: Mapping[str, Any], model: TotalVariability, mapping: np.ndarray,
                   occupancy: Mapping[str, np.ndarray], backend: Backend) -> None:
    """Write an extractor's directory; extractor.json comes last and vouches for the rest.

    Args:
        about: "occupancy", "prune", "top", "cepstra", "speaker_features", "recognizer", "trained_on", ...
        occupancy: arrays of the mixture or the clusters; {} for other kinds.
    """
    (directory / ABOUT).unlink(missing_ok=True)
    arrays = {**prefixed("total_variability", model.to_arrays()), **prefixed("occupancy", occupancy),
              "mapping": mapping}
    write_arrays(directory / MODEL, arrays)
    write_arrays(directory / BACKEND, backend.to_arrays())
    write_json(directory / ABOUT, {"format": FORMAT, "kind": "ivector-extractor", "fingerprint": arrays_digest(arrays),
                                   "components": model.shape[0], "features": model.shape[1], "dim": model.shape[2],
                                   **about})


def load_backend(directory: Path) -> Backend:
    """
    Raises:
        UserError: no extractor there, or it is damaged.
    """
    read_about(directory)
    return Backend.from_arrays(read_arrays(directory / BACKEND))
