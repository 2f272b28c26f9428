"""The phone-state head: which phone state a 10 ms frame belongs to, as i-vector statistics want to know it.

    DIR/phone_states.json     components with their names and priors, silence, what it was trained on
    DIR/config.yaml           its configuration (steps/asr/phones/train_phone_states.py)
    DIR/model.safetensors     weights

A CTC model's own posteriors are spikes; this head is trained on forced alignments, frame by frame.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from steps.asr.phones.align import frame_center
from utils.arrays import arrays_digest
from utils.errors import UserError
from utils.files import atomic_path, read_json, write_json
from utils.shape import Maybe, Number

if TYPE_CHECKING:
    from steps.models.phone_state_head import PhoneStateNetwork

ABOUT, WEIGHTS, CONFIG = "phone_states.json", "model.safetensors", "config.yaml"
FORMAT = 1
AGAIN = "run steps/train_phone_states.sh again"
FORM = {  # of phone_states.json
    "inputs": Number(1, 10**5, whole=True), "hidden": Number(0, 10**5, whole=True), "names": [str],
    "silence": [Number(0, 10**6, whole=True)], "priors": [Number(0, 1)], "subsampling": Number(1, 1000, whole=True),
    "recognizer?": Maybe(str), "fingerprint": str}


class PhoneStateHead:
    """A trained head, ready to use. Open it with `PhoneStateHead.load`.

    Attributes:
        names: a name a component, e.g. "SIL.0", "AH.1". silence: columns of silence, which are no components of an
            i-vector. priors: (C,) share of the training frames.
        subsampling: frames of the features a hidden state of the recognizer stands for.
        recognizer: fingerprint of the recognizer that gives the hidden states; None: it reads none.
        fingerprint: changes whenever the posteriors would.
    """

    def __init__(self, network: PhoneStateNetwork, about: Mapping[str, Any], device: str = "cpu"):
        self.network = network.to(device).eval()
        self.device, self.about = device, dict(about)
        self.names: list[str] = list(about["names"])
        self.silence: list[int] = list(about["silence"])
        self.priors = np.asarray(about["priors"], dtype=np.float64)
        self.subsampling: int = about["subsampling"]
        self.recognizer: str | None = about["recognizer"] if network.hidden else None
        self.fingerprint: str = about["fingerprint"]

    @classmethod
    def load(cls, directory: str | Path, device: str = "cpu") -> PhoneStateHead:
        """
        Raises:
            UserError: there is none, or it is damaged.
        """
        from steps.models.phone_state_head import PhoneStateNetwork, PhoneStateNetworkConfig
        from steps.training.checkpoint import load_module
        from utils.config import from_dict, read_yaml

        directory = Path(directory)
        try:
            about = read_json(directory / ABOUT, FORM, AGAIN)
            config = from_dict(PhoneStateNetworkConfig, read_yaml(directory / CONFIG, {"model": {str: Any}})["model"])
        except FileNotFoundError as error:
            raise UserError(f"{directory} is no phone-state head: {Path(error.filename or ABOUT).name} is missing; run "
                            "steps/train_phone_states.sh") from error
        if about.get("format") != FORMAT:
            raise UserError(f"{directory / ABOUT} has format {about.get('format')}; this version reads {FORMAT}")
        network = load_module(lambda: PhoneStateNetwork(about["inputs"], about["hidden"], len(about["names"]), config),
                              directory / WEIGHTS, AGAIN)
        if len(about["priors"]) != len(about["names"]) or max(about["silence"], default=0) >= len(about["names"]):
            raise UserError(f"{directory / ABOUT} is damaged: names, priors and silence do not agree; {AGAIN}")
        return cls(network, about, device)

    def __len__(self) -> int:
        """Number of components C, silence included."""
        return len(self.names)

    def posteriors(self, features: np.ndarray, hidden: np.ndarray | None = None) -> np.ndarray:
        """
        Args:
            features: (T, F) filter banks. hidden: (T', D) states of the recognizer; None if the head takes none.

        Returns:
            (T, C) float32; rows sum to 1.

        Raises:
            UserError: features or hidden states of another dimension.
        """
        return np.exp(self.log_posteriors(features, hidden))

    def log_posteriors(self, features: np.ndarray, hidden: np.ndarray | None = None) -> np.ndarray:
        """The logarithms of `posteriors`."""
        import torch

        network = self.network
        if features.ndim != 2 or features.shape[1] != network.inputs:
            raise UserError(f"the phone-state head takes {network.inputs} features a frame; these have the shape "
                            f"{features.shape}")
        joined = None
        if network.hidden:
            if hidden is None or hidden.ndim != 2 or (len(hidden) and hidden.shape[1] != network.hidden):
                shape = "none" if hidden is None else f"the shape {hidden.shape}"
                raise UserError(f"the phone-state head takes {network.hidden} hidden states of the recognizer it was "
                                f"trained with; here is {shape}: give that recognizer")
            joined = torch.from_numpy(at_frames(hidden, len(features), self.subsampling,
                                                network.hidden_mean.cpu().numpy()))[None].to(self.device)
        if not len(features):
            return np.zeros((0, len(self)), dtype=np.float32)
        with torch.no_grad():
            batch = torch.from_numpy(np.array(features, dtype=np.float32))[None].to(self.device)
            logits = network(batch, torch.tensor([len(features)], device=self.device), joined)
            return logits[0].float().log_softmax(dim=1).cpu().numpy()


def at_frames(hidden: np.ndarray, frames: int, subsampling: int = 4, absent: np.ndarray | None = None) -> np.ndarray:
    """The recognizer's states at every frame of its input: (T', D) -> float32 (frames, D).

    Linear between the input frames in the middle of what two output frames see (align.frame_center), constant outside.

    Args:
        absent: (D,) what stands for an utterance without an output frame.
    """
    if not len(hidden):
        row = np.zeros(hidden.shape[1], dtype=np.float32) if absent is None else absent
        return np.tile(np.asarray(row, dtype=np.float32), (frames, 1))
    place = (np.arange(frames) - frame_center(0, subsampling)) / subsampling
    place = np.clip(place, 0, len(hidden) - 1)
    before = np.minimum(place.astype(np.int64), max(0, len(hidden) - 2))
    after = np.minimum(before + 1, len(hidden) - 1)
    share = (place - before).astype(np.float32)[:, None]
    return hidden[before] * (1 - share) + hidden[after] * share


def save_head(directory: Path, network: PhoneStateNetwork, config: Any, about: Mapping[str, Any]) -> None:
    """Write a head's directory; phone_states.json comes last and vouches for the rest.

    Args:
        about: "names", "silence", "priors", "subsampling", "recognizer", "trained_on", ...
    """
    from safetensors.torch import save_file

    from utils.config import write_yaml

    (directory / ABOUT).unlink(missing_ok=True)
    weights = {key: value.detach().float().cpu().contiguous() for key, value in sorted(network.state_dict().items())}
    with atomic_path(directory / WEIGHTS) as path:
        save_file(weights, path)
    write_yaml(directory / CONFIG, config)
    write_json(directory / ABOUT, {"format": FORMAT, "fingerprint": arrays_digest(weights, described=False),
                                   "inputs": network.inputs, "hidden": network.hidden, "components": network.classes,
                                   **about})


def check_recognizer(head: PhoneStateHead, fingerprint: str) -> None:
    """
    Raises:
        UserError: the head takes hidden states of another recognizer.
    """
    if head.recognizer not in (None, fingerprint):
        raise UserError(f"the phone-state head was trained with the hidden states of recognizer {head.recognizer}, "
                        f"this one is {fingerprint}: give the same --asr, or train the head again")
