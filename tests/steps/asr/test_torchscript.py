"""TorchScript in icefall's form, and in our own; never without the reader's word."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from steps.asr.onnx_export import export_script
from steps.asr.recogniser import open_recogniser
from steps.asr.torchscript_recogniser import TorchScriptRecogniser
from utils.errors import UserError

TOKENS = "<blk> 0\na 1\nb 2\nc 3\n"


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(80, 8)

    def forward(self, x: Tensor, x_lens: Tensor) -> tuple[Tensor, Tensor]:
        assert int(x_lens.min()) > 0
        return self.layer(x[:, ::4]), torch.div(x_lens + 3, 4, rounding_mode="floor")


class Icefall(nn.Module):
    """icefall's scripted module has the two parts; its forward is not for recognising."""

    def __init__(self):
        super().__init__()
        self.encoder, self.ctc_output = Encoder(), nn.Sequential(nn.Linear(8, 4), nn.LogSoftmax(-1))

    def forward(self, x: Tensor, x_lens: Tensor) -> tuple[Tensor, Tensor]:
        raise RuntimeError("not this way")


class Plain(Icefall):
    def __init__(self):
        super().__init__()
        self.inner, self.last = self.encoder, self.ctc_output
        del self.encoder, self.ctc_output

    def forward(self, x: Tensor, x_lens: Tensor) -> tuple[Tensor, Tensor]:
        states, frames = self.inner(x, x_lens)
        return self.last(states), frames


def write_model(directory, model, name="cpu_jit.pt", tokens=TOKENS):
    directory.mkdir()
    torch.jit.save(torch.jit.script(model.eval()), str(directory / name))
    (directory / "tokens.txt").write_text(tokens)
    return directory


def features(*lengths):
    rng = np.random.default_rng(0)
    return [rng.normal(-8, 2, (length, 80)).astype(np.float32) for length in lengths]


@pytest.mark.parametrize("kind, name", [(Icefall, "cpu_jit.pt"), (Icefall, "jit_script.pt"), (Plain, "mine.pt")])
def test_both_forms_give_the_module_s_own_posteriors(tmp_path, capsys, kind, name):
    torch.manual_seed(0)
    model = kind()
    found = open_recogniser(write_model(tmp_path / "m", model, name), trust_torchscript=True)
    assert capsys.readouterr().err == (f"warning: {tmp_path}/m/{name} is trusted: TorchScript runs what its maker "
                                       "wrote\n")
    assert isinstance(found, TorchScriptRecogniser) and (found.subsampling, found.dim) == (4, 4)
    given = features(50, 6, 33)
    posteriors = found.log_posteriors(given)
    inner, last = (model.encoder, model.ctc_output) if kind is Icefall else (model.inner, model.last)
    with torch.no_grad():
        for rows, values in zip(given, posteriors, strict=True):
            wanted = last(inner.layer(torch.from_numpy(rows)[::4]))[:0 if len(rows) < 7 else None]
            np.testing.assert_allclose(values, wanted.numpy(), atol=1e-5)


def test_it_is_not_opened_unless_it_is_trusted(tmp_path, monkeypatch):
    directory = write_model(tmp_path / "m", Icefall())
    monkeypatch.setattr(torch.jit, "load", lambda *_, **__: pytest.fail("the file was run"))
    with pytest.raises(UserError, match="is a program that runs with your rights; say --trust-torchscript"):
        open_recogniser(directory)


def test_our_own_network_goes_out_and_comes_back(tmp_path):
    from steps.asr.model import CtcModel
    from steps.models.conformer import ConformerConfig

    torch.manual_seed(0)
    model = CtcModel(80, 4, ConformerConfig(dim=16, layers=1, heads=2, kernel=5, channels=4)).eval()
    (tmp_path / "tokens.txt").write_text(TOKENS)
    export_script(model, 80, tmp_path / "cpu_jit.pt")
    given = features(9, 57, 230)
    for rows, found in zip(given, open_recogniser(tmp_path, trust_torchscript=True).log_posteriors(given), strict=True):
        with torch.no_grad():
            wanted = model(torch.from_numpy(rows)[None], torch.tensor([len(rows)]))[0][0].numpy()
        np.testing.assert_allclose(found, wanted, atol=1e-4)


def test_files_that_are_no_such_model_are_named(tmp_path):
    directory = write_model(tmp_path / "m", Icefall(), tokens="<blk> 0\na 1\n")
    with pytest.raises(UserError, match="2 tokens and the model 4 outputs"):
        TorchScriptRecogniser(directory, trust=True)
    torch.save({"model": torch.zeros(2)}, directory / "cpu_jit.pt")
    with pytest.raises(UserError, match="is no TorchScript that this torch"):
        TorchScriptRecogniser(directory, trust=True)
    torch.jit.save(torch.jit.script(nn.Linear(80, 4)), str(directory / "cpu_jit.pt"))
    with pytest.raises(UserError, match="cannot be run, neither by encoder") as error:
        TorchScriptRecogniser(directory, trust=True)
    assert "\n" not in str(error.value)
    for name in ("cpu_jit.pt", "a.pt", "b.pt"):
        (directory / name).unlink() if name == "cpu_jit.pt" else (directory / name).touch()
    with pytest.raises(UserError, match="several TorchScript files; expected cpu_jit.pt"):
        TorchScriptRecogniser(directory, trust=True)
