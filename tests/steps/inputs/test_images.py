"""Images as an input: arrays and pictures, wrong files, a network through the whole data flow."""

import av
import numpy as np
import pytest

from steps.data import prepare, validate
from steps.data.dataset import Dataset
from steps.data.images import read_images
from steps.experiments import plan, run_task
from steps.inputs.opening import open_source
from steps.scoring.experiment import read_metrics
from utils.errors import UserError, run_main

SETTINGS = ("model.channels=[6,6] model.embedding=8 model.dropout=0 training.epochs=12 training.batch_size=6 "
            "training.optimizer.learning_rate=0.02 training.tensorboard=false training.metric=loss refit=false")


def picture(path, pixels):
    """A PNG of (H, W) or (H, W, 3)."""
    with av.open(str(path), "w", format="image2") as container:
        stream = container.add_stream("png", rate=1)
        stream.width, stream.height = pixels.shape[1], pixels.shape[0]
        stream.pix_fmt = "gray" if pixels.ndim == 2 else "rgb24"
        frame = av.VideoFrame.from_ndarray(pixels, format=stream.pix_fmt)
        for packet in [*stream.encode(frame), *stream.encode()]:
            container.mux(packet)
    return path


@pytest.fixture
def faces(make_dataset, tmp_path):
    """4 speakers x 8 utterances of 1 to 3 gray images, bright above or below; u03 has none, u00 is a picture."""
    random, ids, labels, speakers, fields, fold = np.random.default_rng(3), [], [], [], {}, {}
    part = {"s0": "train", "s1": "train", "s2": "dev", "s3": "test"}
    for number in range(32):
        key = f"u{number:02d}"
        ids.append(key)
        speakers.append(f"s{number % 4}")
        labels.append(["above", "below"][number // 4 % 2])
        fold[key] = part[speakers[-1]]
        pixels = random.integers(0, 80, size=(1 if number == 0 else number % 3 + 1, 12, 10)).astype(np.uint8)
        half = slice(0, 6) if labels[-1] == "above" else slice(6, 12)
        pixels[:, half] += 150
        if number == 0:
            fields[key] = {"images": str(picture(tmp_path / "u00.png", pixels[0]))}
        elif number != 3:
            np.save(tmp_path / f"{key}.npy", pixels)
            fields[key] = {"images": str(tmp_path / f"{key}.npy")}
    return make_dataset(tmp_path / "data" / "toy", ids, labels, speakers, [None] * 32, np.zeros((32, 2)), [fold],
                        fields=fields)


def test_arrays_and_pictures_are_images(tmp_path):
    random = np.random.default_rng(1)
    gray = random.integers(0, 256, size=(8, 6)).astype(np.uint8)
    color = random.integers(0, 256, size=(8, 6, 3)).astype(np.uint8)
    np.testing.assert_array_equal(read_images(picture(tmp_path / "g.png", gray)), gray[None, ..., None])
    np.testing.assert_array_equal(read_images(picture(tmp_path / "c.png", color)), color[None])
    np.save(tmp_path / "g.npy", np.stack([gray, gray]))
    assert read_images(tmp_path / "g.npy").shape == (2, 8, 6, 1)


@pytest.mark.parametrize(("name", "write", "says"), [
    ("a.npy", lambda path: np.save(path, np.zeros((2, 4, 4), dtype=np.float32)), "is float32"),
    ("a.npy", lambda path: np.save(path, np.zeros((2, 4, 4, 2), dtype=np.uint8)), "expected uint8"),
    ("a.npy", lambda path: np.save(path, np.zeros((0, 4, 4), dtype=np.uint8)), "expected uint8"),
    ("a.npy", lambda path: path.write_bytes(b"no array"), "no .npy array"),
    ("a.png", lambda path: path.write_bytes(b"no picture"), "a.png is no picture that can be read"),
    ("a.png", lambda path: None, "a.png: no such file"),
])
def test_what_holds_no_images_is_one_line(tmp_path, name, write, says):
    write(tmp_path / name)
    with pytest.raises(UserError, match=says) as told:
        read_images(tmp_path / name)
    assert "\n" not in str(told.value)


def test_an_image_of_another_size_names_its_file(faces, tmp_path):
    np.save(tmp_path / "u05.npy", np.zeros((1, 12, 11), dtype=np.uint8))
    source = open_source("images", Dataset.open(faces))
    assert source["u00"].shape == (1, 12, 10, 1) and source.failures == {"u03": "no images"}
    with pytest.raises(UserError, match=r"u05.npy has images of 12 x 11 with 1 channel, others have 12 x 10"):
        source["u05"]


def test_a_data_set_without_images_is_refused(toy):
    with pytest.raises(UserError, match="no utterance has the field images"):
        open_source("images", Dataset.open(toy))


def test_a_network_learns_from_images(faces, tmp_path):
    out = tmp_path / "exp" / "cnn" / "plain"
    words = ["--config", "image_cnn", "--inputs", "images", "--norms", "none", "--protocol", "plain", "--set",
             SETTINGS, "--data", str(faces), "--out", str(out)]
    assert plan.main(words) == 0
    task = str(out / "log" / "task.1.json")
    assert run_task.main(["--device", "cpu", "--data", str(faces), "--out", str(out), task]) == 0
    metrics = read_metrics(out / "norm-none/fold1/seed0", "emotion")
    assert metrics["test"]["UA"] > 0.9 and metrics["prior_scored"] == ["u03"]


def test_a_table_of_images_alone_is_a_corpus(tmp_path):
    lines = ["images\temotion\tspeaker"]
    for number in range(12):
        np.save(tmp_path / f"face{number}.npy", np.full((1, 4, 4), number, dtype=np.uint8))
        lines.append(f"face{number}.npy\t{['happy', 'sad'][number % 2]}\ts{number // 4}")
    (tmp_path / "table.tsv").write_text("\n".join(lines) + "\n")
    words = ["--corpus", "faces", "--table", str(tmp_path / "table.tsv"), str(tmp_path / "data")]
    assert prepare.main(words) == 0 and validate.main([str(tmp_path / "data")]) == 0
    source = open_source("images", Dataset.open(tmp_path / "data"))
    assert sorted(int(source[key][0, 0, 0, 0]) for key in source.items) == list(range(12))
    assert {"face3", "face11"} <= source.items.keys()


@pytest.mark.parametrize(("where", "status", "says"), [
    ("s1", 0, "warning: identical images under 2 ids"),
    ("s0", 1, "identical images in two parts of protocol official"),
])
def test_validation_reads_images_and_finds_the_same_twice(tmp_path, capsys, where, status, says):
    lines = ["images\temotion\tspeaker\tpart"]
    for number in range(12):
        same = number in (7, {"s1": 6, "s0": 2}[where])
        random = np.random.default_rng(1 if same else 10 + number)
        np.save(tmp_path / f"face{number}.npy", random.integers(0, 256, (1, 4, 4)).astype(np.uint8))
        lines.append(f"face{number}.npy\t{['happy', 'sad'][number % 2]}\ts{number // 4}\t"
                     f"{('train', 'dev', 'test')[number // 4]}")
    (tmp_path / "table.tsv").write_text("\n".join(lines) + "\n")
    assert prepare.main(["--table", str(tmp_path / "table.tsv"), str(tmp_path / "data")]) == 0
    assert run_main(validate.main, [str(tmp_path / "data")]) == status
    told = capsys.readouterr()
    assert says in told.err
    if status == 0:
        assert "images only 12" in told.out and "text only" not in told.out
        np.save(tmp_path / "face3.npy", np.zeros((1, 4, 4)))
        assert run_main(validate.main, [str(tmp_path / "data")]) == 1
        assert "face3.npy is float64 (1, 4, 4); expected uint8" in capsys.readouterr().err
