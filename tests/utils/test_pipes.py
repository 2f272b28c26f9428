"""Whoever opens a file that a user names looks first what it is: a pipe or a device would keep it waiting for ever."""

import importlib
import os
from pathlib import Path

import pytest

from utils.errors import UserError

READERS = [
    ("utils.text_files", "read_text", "x.tsv"), ("utils.files", "read_json", "x.json"),
    ("utils.config", "read_yaml", "x.yaml"), ("steps.asr.decode.fst", "Fst.read", "L.fst"),
    ("steps.asr.decode.hypothesis", "read_hypotheses", "x.tsv"),
    ("steps.asr.decode.graph_parts", "read_model", "x.arpa"),
    ("steps.asr.recognizers.onnx_recognizer", "OnnxRecognizer", "model.onnx/.."),
    ("steps.asr.large.deduplicate", "read_doubles", "x.tsv"),
    ("steps.data.precomputed_arrays", "load_precomputed", "x.npy"),
    ("steps.features.precomputed_vectors", "read_vectors", "x.txt"),
    ("local.mandarin_speech.layout", "text_grid", "x.TextGrid"),
    ("local.mandarin_speech.wenetspeech", "audios", "x.json"), ("local.interviews.turns", "seconds_of", "x.wav"),
    ("steps.data.class_map", "read_class_map", "x.yaml"),
]


@pytest.mark.timeout(20)
@pytest.mark.parametrize(("module", "name", "path"), READERS)
def test_a_pipe_is_one_line(tmp_path, module, name, path):
    place = tmp_path / path
    os.mkfifo(place.parent if path.endswith("..") else place)
    reader = importlib.import_module(module)
    for part in name.split("."):
        reader = getattr(reader, part)
    argument = place.parent.parent if path.endswith("..") else Path(place)
    with pytest.raises((UserError, FileNotFoundError)) as caught:
        list(reader(argument))
    assert "Traceback" not in str(caught.value) and "\n" not in str(caught.value)
