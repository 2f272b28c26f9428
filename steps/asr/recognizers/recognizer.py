"""A trained recognizer as a directory, and what the rest of the repository asks of one.

    DIR/recognizer.json     kind, features, what it was trained on
    DIR/config.yaml         its configuration (steps/asr/config.py)
    DIR/model.safetensors   weights
    DIR/units/              text units (steps/asr/units.py)

A foreign recognizer is DIR/model.onnx with DIR/tokens.txt (sherpa-onnx's form).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from utils.arrays import arrays_digest
from utils.errors import UserError
from utils.files import atomic_path, read_json, write_json
from utils.renamed import present_path
from utils.shape import NAME, Number, check

if TYPE_CHECKING:
    from torch import Tensor

    from steps.asr.config import AsrConfig
    from steps.asr.units import Units
    from steps.features.extractor import Extractor

ABOUT = "recognizer.json"
TRAINING_ONLY = "states."  # the layer that learns an alignment
FORMAT = 1
AGAIN = "copy or train the recognizer again"
FORM = {  # of recognizer.json
    "features": NAME, "feature_options?": {str: Any}, "inputs": Number(1, 10**5, whole=True), "fingerprint": str}
FRAMES_AT_ONCE = 24000  # input frames of a padded batch when recognizing: bounds the memory


class Recognizer(Protocol):
    """What decoding, transcription and the i-vectors need.

    Attributes:
        units: text units; number 0 is the blank. dim: their number V.
        extractor: makes the features that go in.
        subsampling: input frames an output frame. frame_shift: seconds an output frame.
        fingerprint: changes whenever the posteriors would.
    """

    units: Units
    extractor: Extractor
    subsampling: int
    frame_shift: float
    dim: int
    fingerprint: str

    def log_posteriors(self, features: Sequence[np.ndarray]) -> list[np.ndarray]:
        """float32 (T, F) each -> float32 (T', V) each; T' is 0 for an utterance that is too short."""

    def hidden(self, features: Sequence[np.ndarray]) -> list[np.ndarray]:
        """float32 (T, F) each -> the encoder's last states, float32 (T', D) each.

        Raises:
            UserError: a foreign model, which shows its posteriors only.
        """


class OwnRecognizer:
    """A model that steps/asr/train/train.py has trained."""

    def __init__(self, directory: Path, device: str = "cpu"):
        from steps.asr.config import AsrConfig
        from steps.asr.model import CtcModel
        from steps.asr.units import Units
        from steps.models.conformer import SUBSAMPLING
        from steps.training.checkpoint import load_module
        from utils.config import from_dict, read_yaml

        self.about = read_about(directory)
        self.directory, self.device = directory, device
        self.config = from_dict(AsrConfig, read_yaml(directory / "config.yaml"), where=directory / "config.yaml")
        self.units = Units.load(directory / "units")
        self.extractor = extractor_of(self.about)
        self.subsampling = SUBSAMPLING
        self.frame_shift = SUBSAMPLING * float(self.extractor.frame_shift or 0.01)
        self.dim = len(self.units)
        self.fingerprint = self.about["fingerprint"]
        self.model = load_module(lambda: CtcModel(self.about["inputs"], self.dim, self.config.model),
                                 directory / "model.safetensors", AGAIN)
        self.model.to(device).eval()

    def log_posteriors(self, features: Sequence[np.ndarray]) -> list[np.ndarray]:
        return self._each(features, lambda batch, lengths: self.model(batch, lengths))

    def hidden(self, features: Sequence[np.ndarray]) -> list[np.ndarray]:
        return self._each(features, lambda batch, lengths: self.model.encode(batch, lengths)[:2])

    def _each(self, features: Sequence[np.ndarray], forward: Any) -> list[np.ndarray]:
        import torch

        from steps.asr.model import batch_of

        out: list[np.ndarray] = [np.empty((0, 0))] * len(features)
        with torch.no_grad():
            for chosen in groups([len(rows) for rows in features]):
                batch = batch_of([self._checked(features[position]) for position in chosen])
                values, lengths = forward(batch["features"].to(self.device), batch["lengths"].to(self.device))
                values = values.float().cpu().numpy()
                for position, rows, length in zip(chosen, values, lengths.tolist(), strict=True):
                    out[position] = rows[:length].copy()
        return out

    def _checked(self, rows: np.ndarray) -> np.ndarray:
        if rows.ndim != 2 or rows.shape[1] != self.about["inputs"]:
            raise UserError(f"{self.directory} takes {self.about['inputs']} features a frame "
                            f"({self.about['features']}); these have the shape {rows.shape}")
        return rows


def groups(lengths: Sequence[int], frames: int = FRAMES_AT_ONCE) -> Iterator[list[int]]:
    """Positions in batches of like length whose padded size is at most `frames` (or one utterance)."""
    group: list[int] = []
    for position in sorted(range(len(lengths)), key=lambda position: (lengths[position], position)):
        if group and (len(group) + 1) * lengths[position] > frames:
            yield group
            group = []
        group.append(position)
    if group:
        yield group


def open_recognizer(directory: str | Path, device: str = "cpu") -> Recognizer:
    """The recognizer in `directory`, own or foreign.

    Raises:
        UserError: there is none, or it is damaged.
    """
    directory = Path(directory)
    if present_path(directory / ABOUT).is_file():
        return OwnRecognizer(directory, device)
    if (directory / "model.onnx").is_file():
        from steps.asr.recognizers.onnx_recognizer import OnnxRecognizer

        return OnnxRecognizer(directory)
    if any(directory.glob("*.pt")):
        raise UserError(f"{directory} has a TorchScript file, which is a program and is not run; export the model as "
                        "ONNX (model.onnx, tokens.txt)", 2)
    raise UserError(f"{directory} is no recognizer: neither {ABOUT} nor model.onnx is there; train one (egs/*/asr) or "
                    "name its directory", 2)


def read_about(directory: Path) -> dict[str, Any]:
    """recognizer.json.

    Raises:
        UserError: damaged, or of a newer format.
    """
    try:
        about = read_json(present_path(directory / ABOUT), {str: Any}, AGAIN)
    except OSError as error:
        raise UserError(f"{directory / ABOUT} is missing ({error}); {AGAIN}") from error
    if about.get("format") != FORMAT:
        raise UserError(f"{directory / ABOUT} has format {about.get('format')}; this version reads {FORMAT}")
    check(about, FORM, directory / ABOUT, AGAIN)
    return about


def extractor_of(about: Mapping[str, Any]) -> Extractor:
    """What makes the features that a recognizer was trained on.

    Args:
        about: recognizer.json. An earlier version stored the name alone: then conf/<name>.yaml of today counts.
    """
    from steps.features import registry

    options = about.get("feature_options")
    return registry.create(about["features"]) if options is None else registry.remake(about["features"], options)


def save_recognizer(directory: Path, weights: Mapping[str, Tensor], config: AsrConfig, units: Units,
                    about: Mapping[str, Any]) -> None:
    """Write a recognizer's directory; recognizer.json comes last and vouches for the rest.

    Args:
        about: "features" (name), "feature_options", "inputs", "trained_on", ...
    """
    from safetensors.torch import save_file

    from utils.config import write_yaml

    (directory / ABOUT).unlink(missing_ok=True)
    plain = {key: value.detach().float().cpu().contiguous() for key, value in sorted(weights.items())
             if not key.startswith(TRAINING_ONLY)}
    with atomic_path(directory / "model.safetensors") as path:
        save_file(plain, path)
    write_yaml(directory / "config.yaml", config)
    units.save(directory / "units")
    write_json(directory / ABOUT, {"format": FORMAT, "kind": "conformer-ctc", "fingerprint": fingerprint_of(plain),
                                   **about})


def fingerprint_of(weights: Mapping[str, Tensor | np.ndarray]) -> str:
    """Of float32 tensors on the CPU, or arrays, without those that only training needs."""
    return arrays_digest({key: value for key, value in weights.items() if not key.startswith(TRAINING_ONLY)},
                         described=False)
