"""Our own recognizer goes out as ONNX and comes back the same; other models run or are refused in one line."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from torch import nn

from steps.asr.recognizers import onnx_export
from steps.asr.recognizers.onnx_export import export_onnx, export_recognizer
from steps.asr.recognizers.onnx_recognizer import OnnxRecognizer
from steps.asr.recognizers.recognizer import open_recognizer, save_recognizer
from steps.asr.train.learn_units import learn_units
from steps.asr.units import UnitsConfig
from steps.data.trained_on import describe_texts, read_training
from utils.errors import UserError
from utils.files import write_json

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

TEXTS = ["the cat sat on the mat", "a dog ate the hat", "they met at ten"]


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A small recognizer of this repository with random weights."""
    from steps.asr.config import AsrConfig
    from steps.asr.model import CtcModel

    units = learn_units(TEXTS, UnitsConfig(vocabulary=30))
    config = AsrConfig()
    config.model.dim, config.model.layers, config.model.channels, config.model.kernel = 32, 2, 8, 7
    torch.manual_seed(0)
    model = CtcModel(80, len(units), config.model)
    with torch.no_grad():
        model.mean += -8
        model.std *= 2
        model.output.weight *= 5  # so that the posteriors differ from frame to frame
    directory = tmp_path_factory.mktemp("own")
    save_recognizer(directory, model.state_dict(), config, units,
                    {"features": "fbank", "inputs": 80, "trained_on": [describe_texts(TEXTS, "made-up", "recognizer")]})
    return open_recognizer(directory)


@pytest.fixture(scope="module")
def exported(own, tmp_path_factory):
    out = tmp_path_factory.mktemp("exported") / "model"
    export_recognizer(own, out)
    return out


def features(*lengths, bins=80):
    rng = np.random.default_rng(sum(lengths))
    return [rng.normal(-8, 2, (length, bins)).astype(np.float32) for length in lengths]


@pytest.mark.parametrize("lengths", [(7,), (9,), (250,), (57, 31, 40), (400, 9, 211, 400, 33)])
def test_the_exported_network_equals_torch_at_any_length_and_batch_with_padding(own, exported, lengths):
    x = torch.full((len(lengths), max(lengths), 80), -23.03)
    for row, values in zip(x, features(*lengths), strict=True):
        row[:len(values)] = torch.from_numpy(values)
    with torch.no_grad():
        wanted, frames = own.model(x, torch.tensor(lengths))
    session = onnxruntime.InferenceSession(str(exported / "model.onnx"))
    found, found_frames = session.run(None, {"x": x.numpy(), "x_lens": np.array(lengths)})
    assert found_frames.tolist() == frames.tolist() == [((n - 1) // 2 - 1) // 2 for n in lengths]
    assert max(lengths) < 20 or wanted.std(dim=1).max() > 0.1
    for row, reference, length in zip(found, wanted.numpy(), frames.tolist(), strict=True):
        np.testing.assert_allclose(row[:length], reference[:length], atol=1e-4)


def test_it_has_the_names_and_the_metadata_that_sherpa_onnx_reads(own, exported):
    session = onnxruntime.InferenceSession(str(exported / "model.onnx"))
    assert [entry.name for entry in session.get_inputs()] == ["x", "x_lens"]
    assert [entry.name for entry in session.get_outputs()] == ["log_probs", "log_probs_len"]
    assert [entry.type for entry in session.get_outputs()] == ["tensor(float)", "tensor(int64)"]
    assert session.get_outputs()[0].shape[2] == own.dim  # sherpa-onnx takes the number of tokens from here
    about = session.get_modelmeta().custom_metadata_map
    assert about["model_type"] == "zipformer2_ctc" and about["subsampling_factor"] == "4"
    first, second = (exported / "tokens.txt").read_text().splitlines()[:2]
    assert (first, second) == ("<blk> 0", "<unk> 1")


def test_opened_again_it_is_the_same_recognizer(own, exported):
    found = open_recognizer(exported)
    assert isinstance(found, OnnxRecognizer)
    assert (found.dim, found.subsampling, found.frame_shift) == (own.dim, 4, 0.04)
    assert found.units.tokens == own.units.tokens and found.units.encode("the hat") == own.units.encode("the hat")
    given = features(120, 3, 9, 77)
    for ours, theirs in zip(own.log_posteriors(given), found.log_posteriors(given), strict=True):
        assert ours.shape == theirs.shape and ours.dtype == theirs.dtype == np.float32
        np.testing.assert_allclose(ours, theirs, atol=1e-4)
    assert read_training(exported) == read_training(own.directory) and read_training(exported)


def test_an_utterance_gives_the_same_bytes_in_any_company(exported):
    found = open_recognizer(exported)
    given = features(120, 64, 77)
    together = found.log_posteriors(given)
    for rows, wanted in zip(reversed(given), reversed(together), strict=True):
        assert found.log_posteriors([rows])[0].tobytes() == wanted.tobytes()
    assert found.fingerprint == OnnxRecognizer(exported).fingerprint


def test_it_shows_no_hidden_layer_and_takes_80_features(exported):
    found = open_recognizer(exported)
    with pytest.raises(UserError, match="no hidden layer"):
        found.hidden(features(50))
    with pytest.raises(UserError, match=r"takes 80 features a frame; these have the shape \(50, 40\)"):
        found.log_posteriors(features(50, bins=40))


class Linear(nn.Module):
    """Every fourth frame through one layer."""

    def __init__(self, inputs=80, outputs=4, normalized=True):
        super().__init__()
        self.layer, self.normalized = nn.Linear(inputs, outputs), normalized

    def forward(self, x, x_lens):
        states = self.layer(x[:, ::4])
        return states.log_softmax(-1) if self.normalized else states, (x_lens + 3) // 4


def write_model(directory, model=None, tokens="<blk> 0\na 1\nb 2\nc 3\n", inputs=80, outputs=2, **about):
    directory.mkdir(exist_ok=True)
    torch.manual_seed(1)
    export_onnx(model or Linear(), inputs, directory / "model.onnx", about)
    graph = onnx.load(str(directory / "model.onnx"))
    del graph.graph.output[outputs:]
    onnx.save(graph, str(directory / "model.onnx"))
    if tokens:
        (directory / "tokens.txt").write_text(tokens)
    return directory


def test_a_foreign_model_needs_its_file_and_tokens_only(tmp_path):
    found = OnnxRecognizer(write_model(tmp_path / "m", tokens="<blk> 0\na 1\nb 2\nc 3\n#0 4\n#1 5\n"))
    assert found.units.tokens == ["<blk>", "a", "b", "c"] and found.subsampling == 4
    posteriors, short = found.log_posteriors(features(41, 6))
    assert posteriors.shape == (11, 4) and short.shape == (0, 4)
    np.testing.assert_allclose(np.exp(posteriors).sum(axis=1), 1, atol=1e-5)


def test_names_are_read_from_the_file(tmp_path, monkeypatch):
    monkeypatch.setattr(onnx_export, "INPUTS", ("speech", "speech_lengths"))
    monkeypatch.setattr(onnx_export, "OUTPUTS", ("logp", "n"))
    assert OnnxRecognizer(write_model(tmp_path / "m")).log_posteriors(features(40))[0].shape == (10, 4)


@pytest.mark.parametrize("options, message", [
    ({"model": Linear(inputs=40), "inputs": 40}, "model.onnx takes 40 features a frame; only models on 80"),
    ({"outputs": 1}, r"has the outputs log_probs .*; its lengths int64 \(N,\) are missing"),
    ({"model": Linear(normalized=False)}, "gives no log-probabilities .* export it with its log-softmax"),
    ({"tokens": "<blk> 0\na 1\nb 2\n"}, "tokens.txt has 3 tokens and the model 4 outputs"),
    ({"tokens": "a 0\nb 1\nc 2\n<blk> 3\n"}, "the blank is token 3; only models whose blank is token 0"),
    ({"tokens": ""}, "has no tokens.txt"),
    ({"model_type": "wenet_ctc"}, "is of the type wenet_ctc, which takes other features"),
    ({"model_type": "paraformer"}, "is of the type paraformer"),
    ({"normalize_samples": "0"}, "takes features of samples in 16 bits"),
])
def test_what_does_not_fit_is_refused_in_one_line(tmp_path, options, message):
    with pytest.raises(UserError, match=message) as error:
        OnnxRecognizer(write_model(tmp_path / "m", **options))
    assert "\n" not in str(error.value) and len(str(error.value)) < 500


def test_other_graphs_are_refused(tmp_path):
    helper = onnx.helper

    def write(inputs, outputs):
        nodes = [helper.make_node("Identity", [inputs[0].name], [output.name]) for output in outputs]
        model = helper.make_model(helper.make_graph(nodes, "g", inputs, outputs), ir_version=8,
                                  opset_imports=[helper.make_opsetid("", 17)])
        onnx.save(model, str(tmp_path / "model.onnx"))

    speech = helper.make_tensor_value_info("audio", onnx.TensorProto.FLOAT, ["N", "T"])
    write([speech], [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["N", "T"])])
    with pytest.raises(UserError, match=r"has the inputs audio tensor\(float\) .*; expected features float"):
        OnnxRecognizer(tmp_path)
    (tmp_path / "model.onnx").write_bytes(b"no model")
    with pytest.raises(UserError, match="cannot be opened by onnxruntime"):
        OnnxRecognizer(tmp_path)


def test_the_front_end_exports_and_never_replaces_something_else(own, tmp_path, capsys):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.tex").write_text("years of work")
    with pytest.raises(UserError, match="is there and is no exported recognizer"):
        onnx_export.main([str(own.directory), str(tmp_path / "mine")])
    for _ in range(2):
        assert onnx_export.main([str(own.directory), str(tmp_path / "out")]) == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["model.onnx", "tokens.txt", "trained_on.json",
                                                                          "units"]
    assert f"{own.dim} units" in capsys.readouterr().out
    with pytest.raises(UserError, match="is a foreign recognizer"):
        onnx_export.main([str(tmp_path / "out"), str(tmp_path / "again")])


def test_a_recognizer_without_a_record_exports_without_one(own, tmp_path):
    about = json.loads((own.directory / "recognizer.json").read_text())
    write_json(own.directory / "recognizer.json", about | {"trained_on": None})
    try:
        export_recognizer(own, tmp_path / "out")
    finally:
        write_json(own.directory / "recognizer.json", about)
    assert not (tmp_path / "out/trained_on.json").exists()
