"""From audio to extractor, i-vectors and verification, on colored noise and a recognizer without training."""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from steps.features import extract as features_extract
from steps.features.store import FeatureStore
from steps.ivector import extract, extractor, train_extractor, training, verification
from steps.ivector.archive import read_arrays
from steps.scoring.results import recompute
from tests.steps.ivector.fake_recognizer import FakeRecognizer
from utils.errors import UsageError, UserError, run_main
from utils.files import ROOT, read_json

RATE = 16000
SMALL = ("speaker_features.delta_order=0 total_variability.dim=4 total_variability.iterations=2 ubm.least_frames=5 "
         "gmm.components=4 gmm.diagonal_iterations=2 gmm.full_iterations=1 clusters.number=5 backend.plda_iterations=3")
STEPS = ("occupancy", "statistics", "ubm")


def clip(speaker: int, number: int) -> np.ndarray:
    """Noise through a filter of the speaker, its loudness rising and falling."""
    generator = np.random.default_rng((speaker, number))
    taps = np.random.default_rng(speaker).standard_normal(12)
    noise = np.convolve(generator.standard_normal(int(0.5 * RATE)), taps, mode="same")
    return 0.02 * noise * (1.2 + np.sin(np.arange(len(noise)) / 700))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Train: 3 speakers with 4 clips; test: 2 speakers with 3, one clip silent, one of 20 ms."""
    root = tmp_path_factory.mktemp("data")
    cuts, parts = [], []
    for speaker, part in enumerate(["train", "train", "train", "test", "test"]):
        for number in range(4 if part == "train" else 3):
            key = f"s{speaker}n{number}"
            samples = clip(speaker, number)
            if (speaker, number) in ((0, 0), (3, 0)):
                samples = np.zeros_like(samples)
            if (speaker, number) == (4, 0):
                samples = samples[:320]
            soundfile.write(root / f"{key}.wav", samples, RATE)
            cuts.append({"id": key, "start": 0.0, "duration": len(samples) / RATE, "channel": 0, "type": "MonoCut",
                         "recording": {"id": key, "sources": [{"type": "file", "channels": [0],
                                                               "source": str(root / f"{key}.wav")}],
                                       "sampling_rate": RATE, "num_samples": len(samples),
                                       "duration": len(samples) / RATE, "channel_ids": [0]},
                         "supervisions": [{"id": key, "speaker": f"s{speaker}", "text": f"text {number}",
                                           "custom": {}}]})
            parts.append(f"{key}\t1\t{part}\n")
    with gzip.open(root / "cuts.jsonl.gz", "wt", encoding="utf-8") as stream:
        stream.writelines(json.dumps(cut) + "\n" for cut in cuts)
    (root / "corpus.json").write_text(json.dumps({"name": "noise", "targets": []}))
    (root / "splits").mkdir()
    (root / "splits" / "official.tsv").write_text("id\tfold\tpart\n" + "".join(parts))
    return root


@pytest.fixture(autouse=True)
def fake(monkeypatch):
    recognizer = FakeRecognizer()
    for module in (training, extractor):
        monkeypatch.setattr(module, "open_asr", lambda asr, occupancy, device="cpu": recognizer)
    return recognizer


def step(data: Path, out: Path, name: str, *words: str, occupancy: str = "tokens", tasks: int = 1,
         more: str = "") -> None:
    train_extractor.main(["--step", name, "--data", str(data), "--out", str(out), "--asr", str(data), "--num-tasks",
                          str(tasks), "--device", "cpu", "--set", f"occupancy={occupancy} {SMALL} {more}", *words])


def iterate(data: Path, out: Path, numbers: range, **options) -> None:
    for number in numbers:
        for task in range(1, options.get("tasks", 1) + 1):
            step(data, out, "accumulate", "--iteration", str(number), "--task", str(task), **options)
        step(data, out, "update", "--iteration", str(number), **options)


def train(data: Path, out: Path, **options) -> Path:
    step(data, out, "prepare", **options)
    for name in STEPS:
        for task in range(1, options.get("tasks", 1) + 1 if name == "statistics" else 2):
            step(data, out, name, "--task", str(task), **options)
    iterate(data, out, range(1, 3), **options)
    step(data, out, "finish", **options)
    return out / "extractor"


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory):
    patch = pytest.MonkeyPatch()
    for module in (training, extractor):
        patch.setattr(module, "open_asr", lambda asr, occupancy, device="cpu": FakeRecognizer())
    directory = train(data, tmp_path_factory.mktemp("trained"))
    patch.undo()
    return directory


def extracted(data: Path, out: Path, directory: Path) -> Path:
    base = ["--features", "ivector", "--from", str(directory), "--set", f"asr={data}", str(data), "--out",
            str(out)]
    for words in (["--prepare"], ["--task", "1"], ["--finish"]):
        features_extract.main([*base, *words])
    extract.main(["--extractor", str(directory), "--out", str(out)])
    return out


def test_the_extractor_says_what_it_is_and_what_it_was_trained_on(trained):
    about = read_json(trained / "extractor.json")
    assert (about["occupancy"], about["recognizer"], about["dim"], about["features"]) == ("tokens", "fake0", 4, 20)
    assert about["without_statistics"] == ["s0n0"] and len(about["objectives"]) == 2
    record = about["trained_on"][0]
    assert record["speakers"] == ["s0", "s1", "s2"] and record["utterances"] == 11
    assert not list(trained.parent.glob("accumulators/*")) and not (trained.parent / "iteration.1").exists()
    assert about["objectives"][1] >= about["objectives"][0]


@pytest.mark.parametrize("occupancy", ["gmm", "clusters"])
def test_every_kind_of_occupancy_gives_an_extractor(data, tmp_path, occupancy):
    about = read_json(train(data, tmp_path, occupancy=occupancy) / "extractor.json")
    assert about["occupancy"] == occupancy and 1 <= about["components"] <= 5
    assert about["recognizer"] == ("" if occupancy == "gmm" else "fake0")


def test_the_number_of_tasks_changes_nothing(data, trained, tmp_path):
    one, three = (read_arrays(path / "model.safetensors") for path in (trained, train(data, tmp_path, tasks=3)))
    np.testing.assert_array_equal(one["mapping"], three["mapping"])
    for name in ("matrix", "means", "covariances"):
        np.testing.assert_allclose(three[f"total_variability.{name}"], one[f"total_variability.{name}"], atol=1e-9)


def test_a_run_goes_on_at_the_iteration_where_it_was_killed(data, trained, tmp_path, capsys, monkeypatch):
    step(data, tmp_path, "prepare")
    for name in STEPS:
        step(data, tmp_path, name, "--task", "1")
    step(data, tmp_path, "accumulate", "--iteration", "1", "--task", "1")
    monkeypatch.setattr(training.shutil, "rmtree", lambda *_, **__: None)  # killed after the model, before the cleaning
    step(data, tmp_path, "update", "--iteration", "1")
    monkeypatch.undo()
    (tmp_path / "accumulators" / "1.1.safetensors").write_bytes(b"left over")
    monkeypatch.setattr(training, "open_asr", lambda asr, occupancy, device="cpu": FakeRecognizer())
    capsys.readouterr()
    step(data, tmp_path, "prepare")
    assert capsys.readouterr().out == "2 2\n"
    assert not (tmp_path / "iteration.0").exists() and not list((tmp_path / "accumulators").iterdir())
    iterate(data, tmp_path, range(2, 3))
    step(data, tmp_path, "finish")
    for name, array in read_arrays(trained / "model.safetensors").items():
        np.testing.assert_array_equal(read_arrays(tmp_path / "extractor" / "model.safetensors")[name], array)


def test_another_configuration_starts_anew(data, tmp_path, capsys):
    step(data, tmp_path, "prepare")
    step(data, tmp_path, "occupancy")
    step(data, tmp_path, "prepare", more="prune=0.1")
    told = capsys.readouterr()
    assert "config.prune changed since an earlier run" in told.err
    assert told.out == "1 2\n1 2\n"  # the front end reads the first iteration to do, and the last
    assert not (tmp_path / "occupancy.1.safetensors").exists()


def test_ivectors_are_features_and_silence_has_the_prior_mean(data, trained, tmp_path, capsys):
    out = extracted(data, tmp_path / "ivector", trained)
    store = FeatureStore.open(out, {"name": "ivector", "kind": "utterance", "dim": 4})
    assert len(store) == 18 and not store.failed
    silent = [key for key in store.ids if not store[key].any()]
    assert silent == ["s0n0", "s3n0", "s4n0"]  # two silent, one shorter than the subsampling
    assert [line.split("\t")[0] for line in (out / "without_statistics.tsv").read_text().splitlines()] == silent
    assert "3 utterances without statistics" in capsys.readouterr().out
    assert read_json(out / "trained_on.json")[0]["component"] == "i-vector extractor"


def test_a_vector_is_the_posterior_mean_of_its_statistics(data, trained, tmp_path, fake):
    """Against the formula, from the extractor's files, for one utterance."""
    from steps.data.dataset import Dataset

    ready = extractor.IvectorExtractor.load(trained, data)
    utterance = ready.speech.of(Dataset.open(data).items["s1n1"])
    arrays = read_arrays(trained / "model.safetensors")
    matrix, means, covariances = (arrays[f"total_variability.{name}"] for name in ("matrix", "means", "covariances"))
    weights = ready.occupier.of(utterance).mapped(arrays["mapping"]).dense().astype(np.float64)
    precision, linear = np.eye(4), np.zeros(4)
    for component in range(len(matrix)):
        gamma = weights[:, component]
        inverse = np.linalg.inv(covariances[component])
        precision += gamma.sum() * matrix[component].T @ inverse @ matrix[component]
        linear += matrix[component].T @ inverse @ (gamma @ (utterance.features - means[component]))
    np.testing.assert_allclose(ready.vector(utterance)[0], np.linalg.solve(precision, linear), rtol=1e-5, atol=1e-6)


def test_verification_writes_figures_and_rows(data, trained, tmp_path, capsys):
    (data / "ivector").exists() or extracted(data, data / "ivector", trained)
    words = ["--extractor", str(trained), "--results", str(tmp_path / "RESULTS"), str(data), str(tmp_path / "v.json")]
    verification.main(words)
    verification.main(["--enrol", "1", *words])
    [entry] = read_json(tmp_path / "v.json")
    assert entry["methods"]["plda"]["summary"]["targets"] == 4
    rows = read_json(tmp_path / "RESULTS.json")["rows"]
    assert {row["variant"] for row in rows} == {"cosine, all pairs", "plda, all pairs", "cosine, enrol 1",
                                                "plda, enrol 1"}
    assert all(0 <= row["metrics"]["EER"] <= 1 and "2 speakers" in row["no_intervals"] for row in rows)
    assert (tmp_path / "RESULTS.md").read_text().count("| ivector_tokens |") == 4
    assert "EER" in capsys.readouterr().out
    with pytest.raises(UserError, match="--enrol 3: no speaker has more than 3"):
        verification.main(["--enrol", "3", *words])


def test_several_extractors_are_verified_in_the_order_given(data, trained, tmp_path, monkeypatch):
    """Pairs of --extractor and --ivectors, as the recipe gives them; each entry and row is what one alone gives."""
    (data / "ivector").exists() or extracted(data, data / "ivector", trained)
    shutil.copytree(data / "ivector", data / "ivector_other", dirs_exist_ok=True)
    monkeypatch.setenv("EMOTION_RECIPE", str(ROOT / "egs/speechocean762/ivector"))
    pairs = ["--extractor", str(trained), "--ivectors", "ivector_other", "--extractor", str(trained), "--ivectors",
             "ivector"]
    results = ["--results", str(tmp_path / "RESULTS"), str(data), str(tmp_path / "v.json")]
    with pytest.raises(UsageError, match="2 systems are called ivector_tokens.*--subsystem NAME"):
        verification.main([*pairs, *results])
    verification.main([*pairs, "--subsystem", "first", "--subsystem", "second", *results])
    entries = read_json(tmp_path / "v.json")
    assert [(entry["ivectors"], entry["subsystem"]) for entry in entries] == [
        ("ivector_other", "first"), ("ivector", "second")]
    assert entries[0]["methods"] == entries[1]["methods"]
    rows = read_json(tmp_path / "RESULTS.json")["rows"]
    assert [(row["subsystem"], row["variant"]) for row in rows] == [
        (name, f"{method}, all pairs") for name in ("first", "second") for method in ("cosine", "plda")]
    assert {row["command"] for row in rows} == {"egs/speechocean762/ivector/run.sh"}
    assert all(recompute(row) == row for row in rows)


@pytest.mark.parametrize(("words", "message"), [
    (["--extractor", "a", "--extractor", "b"], "2 times --extractor and 0 times --ivectors"),
    (["--extractor", "a", "--extractor", "b", "--ivectors", "c"], "and 1 times --ivectors; give each extractor its"),
    (["--extractor", "a", "--ivectors", "b", "--ivectors", "c"], "1 times --extractor and 2 times --ivectors"),
    (["--extractor", "a", "--subsystem", "b", "--subsystem", "c"], "2 times --subsystem"), ([], "--extractor")])
def test_every_extractor_needs_its_ivectors(words, message):
    with pytest.raises(UsageError, match=message):
        verification.main([*words, "data", "out"])


def test_another_recognizer_or_none_is_refused(data, trained, monkeypatch):
    monkeypatch.setattr(extractor, "open_asr", lambda asr, occupancy, device="cpu": FakeRecognizer(seed=1))
    with pytest.raises(UserError, match="was trained with the recognizer fake0, .* is fake1"):
        extractor.IvectorExtractor.load(trained, data)
    monkeypatch.undo()
    with pytest.raises(UserError, match="occupancy tokens takes a recognizer: give --asr DIR"):
        extractor.IvectorExtractor.load(trained, None)


def test_silence_alone_cannot_train(data, tmp_path):
    with pytest.raises(UserError, match=r"no utterance of the training part has a voiced frame.*threshold"):
        step(data, tmp_path, "occupancy", occupancy="gmm", more="speaker_features.voice_activity.threshold=50")


@pytest.mark.parametrize("name", ["occupancy", "statistics", "accumulate", "update"])
def test_out_of_memory_names_what_to_lower(name, monkeypatch, capsys):
    def full(arguments):
        raise MemoryError if name == "occupancy" else RuntimeError("CUDA out of memory. Tried to allocate 2 GiB")

    monkeypatch.setattr(train_extractor, "run", full)
    status = run_main(train_extractor.main, ["--step", name, "--data", "d", "--out", "o", "--task", "1", "--iteration",
                                             "1"])
    lines = capsys.readouterr().err.splitlines()
    assert status == 1 and len(lines) == 1 and "lower" in lines[0] and "--set key=value" in lines[0]


@pytest.mark.parametrize(("words", "message"), [
    (["--step", "statistics"], "--step statistics needs --task"), (["--step", "update"], "needs --iteration"),
    (["--step", "statistics", "--task", "2"], "--task 2: expected 1 to 1")])
def test_usage_errors(words, message):
    with pytest.raises(UsageError, match=message):
        train_extractor.main([*words, "--data", "d", "--out", "o"])


def test_defaults_in_conf_are_those_of_the_options():
    from steps.ivector.config import IvectorExtractorConfig
    from utils.config import load_config

    assert load_config(IvectorExtractorConfig, "ivector_extractor") == IvectorExtractorConfig()
