"""The recognizer's encoder as a trunk: it is the recognizer's, and padding changes nothing."""

import pytest
import torch

from steps.asr.model import CtcModel
from steps.models.asr_encoder import AsrEncoder
from steps.models.conformer import ConformerConfig
from steps.models.spectrogram_network import SpectrogramNetwork, SpectrogramNetworkConfig
from steps.subsystems.contract import load_experiment_config
from utils.errors import UsageError

SIZES = {"dim": 8, "layers": 2, "heads": 2, "expansion": 1, "kernel": 3, "channels": 4, "dropout": 0.0}
FRAMES = [40, 23, 9, 7, 3]


@pytest.fixture
def spectra():
    torch.manual_seed(1)
    return [torch.randn(count, 12) for count in FRAMES]


def padded(rows, value):
    x = torch.full((len(rows), max(map(len, rows)), 12), value)
    for number, row in enumerate(rows):
        x[number, :len(row)] = row
    return x, torch.tensor([len(row) for row in rows])


def test_the_states_are_the_recognizers(spectra):
    torch.manual_seed(2)
    recognizer = CtcModel(12, 5, ConformerConfig(**SIZES)).eval()
    recognizer.mean += 0.7
    recognizer.std *= 1.3
    trunk = AsrEncoder(12, ConformerConfig(**SIZES)).eval()
    theirs = recognizer.state_dict()
    trunk.load_state_dict({key: value for key, value in theirs.items() if not key.startswith("output.")})
    row = spectra[0][None]
    states, lengths, _ = recognizer.encode(row, torch.tensor([40]))
    found, left = trunk(row.transpose(1, 2)[:, None], torch.tensor([40]))
    assert found.shape == (1, 8, 1, 9) and left.tolist() == lengths.tolist() == [9]
    torch.testing.assert_close(found[0, :, 0].T, states[0])


def test_what_stands_behind_an_utterance_changes_nothing(spectra):
    torch.manual_seed(2)
    model = SpectrogramNetwork(12, {"emotion": 3}, SpectrogramNetworkConfig(
        architecture="asr_encoder", head="average", encoder=ConformerConfig(**SIZES))).eval()
    alone = torch.cat([model(row[None], torch.tensor([len(row)]))["emotion"] for row in spectra])
    for value in (0.0, 1e3):
        torch.testing.assert_close(model(*padded(spectra, value))["emotion"], alone, atol=1e-5, rtol=1e-5)
    assert len({tuple(row) for row in alone.tolist()}) == len(FRAMES)


def test_an_unknown_size_is_named():
    for words, says in ((["model.encoder.dims=8"], "unknown key model.encoder.dims; did you mean dim"),
                        (["model.encoder={dims: 8}"], "unknown key model.encoder.dims; did you mean dim"),
                        (["model.encoder.heads=0"], "model.encoder.heads is 0; accepted: 1 to 1024")):
        with pytest.raises(UsageError, match=says):
            load_experiment_config("asr_encoder", words)
    found = load_experiment_config("asr_encoder", ["model.encoder.dim=8", "model.encoder.layers=2"])
    assert found.model.encoder == ConformerConfig(dim=8, layers=2)
