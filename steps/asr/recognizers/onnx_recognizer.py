"""A CTC recognizer in the form of sherpa-onnx, run by onnxruntime: DIR/model.onnx and DIR/tokens.txt.

The form is what icefall's zipformer/export-onnx-ctc.py writes and sherpa-onnx reads as `zipformer_ctc`:

    x         float32 (N, T, 80), log mel energies       log_probs      float32 (N, T', V)
    x_lens    int64 (N,)                                 log_probs_len  int64 (N,)

The names are the file's own. Models of other toolkits take other features (wenet's are of samples in 16 bits,
paraformer's are stacked) and are refused.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from steps.asr.recognizers.foreign_recognizer import FEATURES, TOKENS, ForeignRecognizer
from steps.components.directory import checksum
from utils.errors import UserError
from utils.files import check_regular

MODEL = "model.onnx"
OTHER_TOOLKITS = ("wenet", "paraformer", "sense_voice", "sensevoice", "telespeech", "whisper", "encdec", "moonshine",
                  "tdnn", "transducer")


class OnnxRecognizer(ForeignRecognizer):
    """See steps/asr/recognizers/recognizer.py `Recognizer`. On CPU, with EMOTION_NUM_THREADS threads."""

    def __init__(self, directory: Path):
        directory = Path(directory)
        file = directory / MODEL
        check_regular(file)
        self.session = open_session(file)
        about = self.session.get_modelmeta().custom_metadata_map
        check_metadata(about, file)
        self._inputs = input_names(self.session, file)
        self._outputs = output_names(self.session, file)
        super().__init__(directory, about.get("features", "fbank"))
        self.fingerprint = checksum(file)[:16]
        factor = about.get("subsampling_factor", "")
        self.probe(file, int(factor) if factor.isdigit() and int(factor) else None)

    def _run(self, features: np.ndarray) -> np.ndarray:
        from onnxruntime.capi import onnxruntime_pybind11_state as failures

        values = {self._inputs[0]: features[None], self._inputs[1]: np.array([len(features)], dtype=np.int64)}
        try:
            log_posteriors, lengths = self.session.run(list(self._outputs), values)
        except (failures.Fail, failures.InvalidArgument, failures.RuntimeException, failures.NotImplemented) as error:
            reason = " ".join(str(error).split())
            if "alloc" in reason:
                raise MemoryError(reason) from error
            raise UserError(f"{self.directory / MODEL}: {len(features)} frames of {FEATURES} cannot be run: "
                            f"{reason[:300]}") from error
        return log_posteriors[0, :max(0, int(lengths[0]))]


def open_session(file: Path) -> Any:
    """An onnxruntime session.

    Raises:
        UserError: onnxruntime is missing, or this is no model that it can read.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise UserError(f"{file} needs onnxruntime, which this environment lacks; run utils/setup.sh") from error
    if not file.is_file():
        raise UserError(f"{file} does not exist; a foreign recognizer is a directory with {MODEL} and {TOKENS}", 2)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(os.environ.get("EMOTION_NUM_THREADS") or 1)
    options.inter_op_num_threads = 1
    options.use_deterministic_compute = True
    options.log_severity_level = 3  # what goes wrong is told by the exception
    try:
        return onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own classes share no base but this
        raise UserError(f"{file} cannot be opened by onnxruntime: {' '.join(str(error).split())[:300]}") from error


def check_metadata(about: Mapping[str, str], file: Path) -> None:
    """
    Raises:
        UserError: the model of another toolkit, whose features differ.
    """
    kind = about.get("model_type", "")
    if any(name in kind.lower() for name in OTHER_TOOLKITS):
        raise UserError(f"{file} is of the type {kind}, which takes other features than {FEATURES} log mel energies or "
                        "is no CTC model; take a CTC model exported by icefall (zipformer2_ctc)")
    if about.get("normalize_samples") == "0":
        raise UserError(f"{file} takes features of samples in 16 bits (normalize_samples is 0); only models on samples "
                        "in [-1, 1] are read")


def input_names(session: Any, file: Path) -> tuple[str, str]:
    """The names of the features and of their lengths.

    Raises:
        UserError: the inputs are others, or the features have another dimension.
    """
    inputs = session.get_inputs()
    features = [entry for entry in inputs if "float" in entry.type and len(entry.shape or ()) == 3]
    lengths = [entry for entry in inputs if entry.type == "tensor(int64)" and len(entry.shape or ()) == 1]
    if len(inputs) != 2 or len(features) != 1 or len(lengths) != 1:
        raise UserError(f"{file} has the inputs {_listed(inputs)}; expected features float (N, T, {FEATURES}) and "
                        "their lengths int64 (N,), as a CTC model that does not stream has them")
    dimension = features[0].shape[2]
    if isinstance(dimension, int) and dimension != FEATURES:
        raise UserError(f"{file} takes {dimension} features a frame; only models on {FEATURES} log mel energies are "
                        "read")
    if features[0].type != "tensor(float)":
        raise UserError(f"{file} takes features of type {features[0].type}; expected tensor(float)")
    return features[0].name, lengths[0].name


def output_names(session: Any, file: Path) -> tuple[str, str]:
    """The names of the log-posteriors and of their lengths. Exporters often leave the rank open, never the type.

    Raises:
        UserError: one of them is missing.
    """
    outputs = session.get_outputs()
    posteriors = [entry for entry in outputs if "float" in entry.type and len(entry.shape or (0,) * 3) == 3]
    lengths = [entry for entry in outputs if "int" in entry.type and len(entry.shape or (0,)) == 1]
    if not posteriors or not lengths:
        what = "log-probabilities float (N, T', V)" if not posteriors else "lengths int64 (N,)"
        raise UserError(f"{file} has the outputs {_listed(outputs)}; its {what} are missing")
    return posteriors[0].name, lengths[0].name


def _listed(entries: Any) -> str:
    return ", ".join(f"{entry.name} {entry.type} {entry.shape}" for entry in entries) or "none"
