"""Export a recognizer as sherpa-onnx reads it: model.onnx and tokens.txt.

    steps/export_recognizer.sh ASR OUT

The normalization of the features is part of the network, so that filter banks go in as they are. Beside the model lie
units/, which spell text as the training did, and trained_on.json, which the leak audit reads.
"""

from __future__ import annotations

import argparse
import inspect
import shutil
import sys
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from utils.arguments import ArgumentParser
from utils.errors import UserError, run_main
from utils.files import atomic_directory

if TYPE_CHECKING:
    from torch import Tensor, nn

INPUTS, OUTPUTS = ("x", "x_lens"), ("log_probs", "log_probs_len")
OPSET = 17  # the first with layer normalization
EXAMPLE_FRAMES = 100
MODEL = "model.onnx"


def main(argv: Sequence[str] | None = None) -> int:
    parser = ArgumentParser("export_recognizer.sh", description=__doc__,
                            formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("asr", type=Path, metavar="ASR", help="directory of a recognizer of this repository")
    parser.add_argument("out", type=Path, metavar="OUT", help="directory to write; replaced as a whole")
    arguments = parser.parse_args(argv)
    from steps.asr.recognizers.recognizer import OwnRecognizer, open_recognizer

    recognizer = open_recognizer(arguments.asr)
    if not isinstance(recognizer, OwnRecognizer):
        raise UserError(f"{arguments.asr} is a foreign recognizer; only one of this repository can be exported")
    if arguments.out.exists() and not is_export(arguments.out):
        raise UserError(f"{arguments.out} is there and is no exported recognizer; name another directory", 2)
    export_recognizer(recognizer, arguments.out)
    file = arguments.out / MODEL
    print(f"{file}: {recognizer.dim} units, {file.stat().st_size / 1e6:.1f} MB")
    return 0


def is_export(directory: Path) -> bool:
    """Whether a directory holds what an export left, which a new one may replace."""
    return directory.is_dir() and ((directory / MODEL).is_file() or not any(directory.iterdir()))


def export_recognizer(recognizer: Any, out: Path) -> None:
    """Write the whole directory.

    Args:
        recognizer: OwnRecognizer of steps/asr/recognizers/recognizer.py.
    """
    from steps.data.trained_on import TRAINED_ON, read_training, write_training

    with atomic_directory(out) as directory:
        about = {"vocab_size": recognizer.dim, "subsampling_factor": recognizer.subsampling,
                 "features": recognizer.about["features"], "fingerprint": recognizer.fingerprint}
        export_onnx(recognizer.model, recognizer.about["inputs"], directory / MODEL, about)
        recognizer.units.save(directory / "units")
        shutil.copyfile(directory / "units" / "tokens.txt", directory / "tokens.txt")
        if (records := read_training(recognizer.directory)) is not None:
            write_training(directory, records)
            assert (directory / TRAINED_ON).is_file()


def export_onnx(model: nn.Module, inputs: int, path: Path, about: Mapping[str, Any]) -> None:
    """Write a network `(x (N, T, F), x_lens (N,)) -> log_probs (N, T', V), log_probs_len (N,)` as ONNX.

    Args:
        about: goes to the file's metadata, beside what sherpa-onnx asks for.

    Raises:
        UserError: the package onnx is missing.
    """
    try:
        import onnx
    except ImportError as error:
        raise UserError("exporting needs the package onnx, which this environment lacks; run utils/setup.sh") from error
    import torch

    axes = dict(zip((*INPUTS, *OUTPUTS), ({0: "N", 1: "T"}, {0: "N"}, {0: "N", 1: "T_out"}, {0: "N"}), strict=True))
    # Tracing needs no further package; torch before 2.5 knows no other way, and no option to choose it.
    options = {"dynamo": False} if "dynamo" in inspect.signature(torch.onnx.export).parameters else {}
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of shapes that the trace holds fixed: the tests run other shapes
        torch.onnx.export(model.eval(), example(inputs), str(path), input_names=list(INPUTS),
                          output_names=list(OUTPUTS), dynamic_axes=axes, opset_version=OPSET, **options)
    exported = onnx.load(str(path))
    for key, value in {"model_type": "zipformer2_ctc", "version": "1", "model_author": "steps/export_recognizer.sh",
                       "comment": "CTC Conformer with the inputs and outputs of icefall's zipformer2_ctc",
                       "feature_dim": inputs, **about}.items():
        entry = exported.metadata_props.add()
        entry.key, entry.value = key, str(value)
    onnx.save(exported, str(path))


def example(inputs: int) -> tuple[Tensor, Tensor]:
    """Two utterances of unequal length, so that the trace holds the padding's mask."""
    import torch

    lengths = torch.tensor([EXAMPLE_FRAMES, EXAMPLE_FRAMES - 20], dtype=torch.int64)
    return torch.zeros(2, EXAMPLE_FRAMES, inputs), lengths


if __name__ == "__main__":
    sys.exit(run_main(main))
