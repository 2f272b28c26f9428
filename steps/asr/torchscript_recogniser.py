"""A CTC recogniser as TorchScript in the form of icefall: DIR/cpu_jit.pt (or jit_script.pt) and DIR/tokens.txt.

icefall's zipformer/export.py --jit 1 --use-ctc 1 leaves a module with `encoder(x, x_lens)` and `ctc_output(states)`; a
plain `forward(x, x_lens) -> log_probs, log_probs_len` is read too. Such a file is a program: it does whatever its maker
wanted, so that it is opened only when asked for.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import Any

import numpy as np

from steps.asr.foreign_recogniser import FEATURES, ForeignRecogniser
from utils.errors import UserError

NAMES = ("cpu_jit.pt", "jit_script.pt")


class TorchScriptRecogniser(ForeignRecogniser):
    """See steps/asr/recogniser.py `Recogniser`.

    Args:
        trust: the file may run as a program.
    """

    def __init__(self, directory: Path, device: str = "cpu", trust: bool = False):
        directory = Path(directory)
        file = script_of(directory)
        if not trust:
            raise UserError(f"{file} is a program that runs with your rights; say --trust-torchscript if you trust "
                            "whoever made it, or take the model in ONNX form", 2)
        print(f"warning: {file} is trusted: TorchScript runs what its maker wrote", file=sys.stderr)
        super().__init__(directory)
        self.device = device
        self.fingerprint = hashlib.sha256(file.read_bytes()).hexdigest()[:16]
        self._file, self._model = file, load_script(file, device)
        self.probe(file)

    def _run(self, features: np.ndarray) -> np.ndarray:
        import torch

        x = torch.from_numpy(features)[None].to(self.device)
        lengths = torch.tensor([len(features)], dtype=torch.int64, device=self.device)
        try:
            with torch.no_grad():
                posteriors, lengths = _forward(self._model, x, lengths)
        except (RuntimeError, ValueError, TypeError) as error:
            if "out of memory" in str(error) or "can't allocate memory" in str(error):
                raise MemoryError(str(error)) from error
            lines = [line for line in str(error).strip().splitlines() if line.strip()] or [type(error).__name__]
            raise UserError(f"{self._file}: {len(features)} frames of {FEATURES} cannot be run, neither by encoder and "
                            f"ctc_output nor by forward(x, x_lens) -> log_probs, lengths: {lines[-1][:300]}") from error
        return posteriors[0, :max(0, int(lengths[0]))].float().cpu().numpy()


def _forward(model: Any, x: Any, lengths: Any) -> tuple[Any, Any]:
    if hasattr(model, "encoder") and hasattr(model, "ctc_output"):
        states, lengths = model.encoder(x, lengths)
        return model.ctc_output(states), lengths
    posteriors, lengths = model(x, lengths)
    return posteriors, lengths


def script_of(directory: Path) -> Path:
    """The TorchScript file of a directory.

    Raises:
        UserError: none, or several of other names than icefall's.
    """
    known = [directory / name for name in NAMES if (directory / name).is_file()]
    found = known or sorted(directory.glob("*.pt"))
    if not found or (not known and len(found) > 1):
        raise UserError(f"{directory} has {'no' if not found else 'several'} TorchScript files; expected {NAMES[0]}", 2)
    return found[0]


def load_script(file: Path, device: str) -> Any:
    """
    Raises:
        UserError: no TorchScript.
    """
    import torch

    try:
        model = torch.jit.load(str(file), map_location=device)
    except (RuntimeError, ValueError) as error:
        raise UserError(f"{file} is no TorchScript that this torch ({torch.__version__}) can read; a checkpoint of "
                        "weights alone is none: export it with icefall's export.py --jit 1") from error
    return model.eval()
