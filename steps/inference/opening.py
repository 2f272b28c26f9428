"""Open an exported model, whatever it predicts."""

from __future__ import annotations

from pathlib import Path

from steps.components.directory import read_about
from steps.inference.model import EmotionModel
from steps.inference.track_model import TrackModel


def open_model(directory: str | Path, transcribe: bool = True) -> EmotionModel | TrackModel:
    """
    Raises:
        UserError: no model there, one of another format, or a damaged file.
    """
    if any(told["kind"] == "track" for told in read_about(Path(directory))["targets"].values()):
        return TrackModel.open(directory)
    return EmotionModel.open(directory, transcribe)
