"""Modules of emotion corpora: published layouts in small, their oddities, counts of the whole, folds."""

import importlib
import json
import re
from collections import Counter
from itertools import product
from pathlib import Path

import pytest

from local import casia, esd, iemocap, mec2017, savee, tess
from steps.data import prepare, validate
from steps.data.checks import missing_of
from steps.data.dataset import Dataset
from tests.local.emotion_fixtures import BUILDERS
from utils.errors import UserError, run_main
from utils.files import ROOT

pytestmark = pytest.mark.filterwarnings("ignore::utils.corpus.CorpusNotice")  # rows() tells what it lacks

NAMES = list(BUILDERS)


def module(name: str):
    return importlib.import_module(f"local.{name}")


@pytest.fixture(scope="module")
def corpora(tmp_path_factory):
    """{name: (directory, what its rows hold)}, built when first asked for."""
    built = {}

    def get(name: str):
        if name not in built:
            directory = tmp_path_factory.mktemp(name)
            built[name] = directory, BUILDERS[name](directory)
        return built[name]

    return get


@pytest.mark.parametrize("name", NAMES)
def test_the_published_layout_is_read(corpora, name):
    directory, expected = corpora(name)
    rows = {row.id: row for row in module(name).rows(directory)}
    recordings = {path for path in directory.rglob("*.wav")}
    assert len(rows) == len(recordings) and {row.path for row in rows.values()} == recordings
    for key, fields in expected.items():
        assert {field: rows[key].fields.get(field) for field in fields} == fields, key


@pytest.mark.parametrize("name", NAMES)
def test_another_directory_is_refused(tmp_path, name):
    with pytest.raises(UserError, match="--corpus-dir .* there; ") as error:
        module(name).rows(tmp_path)
    assert error.value.status == 2 and "\n" not in str(error.value)


@pytest.mark.parametrize("name", NAMES)
def test_prepared_and_validated_in_full_and_tiny(corpora, tmp_path, capsys, name):
    directory, _ = corpora(name)
    for size in ("full", "tiny"):
        data = tmp_path / size
        words = ["--corpus", name, "--corpus-dir", str(directory), "--allow-partial", "--size", size, str(data)]
        assert run_main(prepare.main, words) == 0, capsys.readouterr().err
        assert run_main(validate.main, [str(data)]) == 0, capsys.readouterr().err
        dataset = Dataset.open(data)
        assert dataset.targets == module(name).CORPUS.targets
        split = dataset.split(dataset.protocols[0])
        for fold, part in product(split.folds, ("train", "dev", "test")):
            labels = {dataset.items[key].fields.get("emotion") for key in split.ids(fold, part)}
            assert labels == (set(dataset.target().classes) if name != "mec2017" or part != "test" else {None})
    warnings = json.loads((tmp_path / "full/validation.json").read_text())["warnings"]
    assert any("digital silence" in line for line in warnings) == (name == "crema_d")


@pytest.mark.parametrize("name", NAMES)
def test_no_speaker_is_tested_and_trained_on(corpora, name):
    rows = module(name).rows(corpora(name)[0])
    speaker = {row.id: row.speaker for row in rows}
    for protocol in module(name).protocols(rows):
        for fold in protocol.folds:
            places = {part: {speaker[key] for key in fold if fold[key] == part} for part in ("train", "dev", "test")}
            if protocol.name.endswith("official"):
                assert protocol.speaker_overlap == (name == "esd")
            elif name == "tess":
                assert places["train"] == places["dev"] and not places["train"] & places["test"]
            else:
                assert not protocol.speaker_overlap and len(places["test"]) >= 1
                assert not places["test"] & (places["train"] | places["dev"]) and not places["train"] & places["dev"]


@pytest.mark.parametrize("name", NAMES)
def test_the_published_counts_add_up(name):
    corpus = module(name).CORPUS
    for field in ("emotion", "category"):
        counts = corpus.published.get(field, {})
        if field == "emotion" and counts:
            assert set(counts) == set(corpus.targets[0].classes)
        if counts and (name, field) != ("iemocap", "emotion"):
            assert sum(counts.values()) == corpus.published["utterances"]
    if name == "iemocap":  # the figures of the literature: 5531 with excited, 4490 without
        assert sum(corpus.published["emotion"].values()) == 5531
        assert sum(corpus.published["category"][key] for key in ("ang", "hap", "neu", "sad")) == 4490


def whole(directory: Path, name: str) -> None:
    """Every file of a corpus whose design is regular, empty."""
    names = {"casia": [f"{speaker}/{emotion}/{number}.wav" for speaker, emotion, number in product(
                 casia.GENDERS, casia.EMOTIONS, range(201, 251))],
             "savee": [f"{speaker}_{letters}{number:02d}.wav" for speaker, letters in product(
                 savee.SPEAKERS, savee.EMOTIONS) for number in range(1, 31 if letters == "n" else 16)],
             "tess": [f"{speaker}_{emotion}/{speaker}_{chr(97 + word // 26)}{chr(97 + word % 26)}_{emotion}.wav"
                      for speaker, emotion, word in product(tess.AGES, tess.EMOTIONS, range(200))]}[name]
    for path in names:
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        (directory / path).touch()


@pytest.mark.parametrize("name", ["casia", "savee", "tess"])
def test_a_whole_corpus_has_the_published_counts_and_a_lost_file_is_missed(tmp_path, name):
    whole(tmp_path, name)
    corpus = module(name).CORPUS
    rows = module(name).rows(tmp_path)
    assert missing_of(rows, corpus) == []
    label = rows[0].fields["emotion"]
    assert missing_of(rows[1:], corpus) == [
        f"utterances: {len(rows) - 1} of {len(rows)}",
        f"emotion {label}: {corpus.published['emotion'][label] - 1} of {corpus.published['emotion'][label]}"]


def test_savee_without_speakers_directories_is_the_same(corpora, tmp_path):
    directory, _ = corpora("savee")
    for path in directory.rglob("*.wav"):
        (tmp_path / f"{path.parent.name}_{path.name}").symlink_to(path)
    same = [{row.id: row.fields for row in savee.rows(place)} for place in (directory, tmp_path)]
    assert same[0] == same[1]


def test_esd_without_lists_has_no_official_protocol(corpora, tmp_path):
    directory, _ = corpora("esd")
    for path in directory.rglob("*.wav"):
        flat = tmp_path / "ESD" / path.parts[-4] / path.parts[-3] / path.name
        flat.parent.mkdir(parents=True, exist_ok=True)
        flat.symlink_to(path)
    rows = esd.rows(tmp_path)
    assert len(rows) == 12 * 15
    assert [protocol.name for protocol in esd.protocols(rows)] == ["zh_folds", "en_folds"]
    # half of the corpus: the other language's protocols are not offered
    assert [p.name for p in esd.protocols([row for row in rows if row.fields["language"] == "en"])] == ["en_folds"]


def test_esd_folds_hold_a_woman_and_a_man_of_one_language():
    for language, folds in esd.FOLDS.items():
        for fold in folds:
            assert Counter(name in esd.MALE for name in fold) == {True: 1, False: 1}
            assert all((int(name) <= 10) == (language == "zh") for name in fold)
    assert len(esd.LANGUAGES) == 20 and len(esd.MALE) == 10


def test_iemocap_protocols_take_excited_in_or_leave_it_out(corpora):
    rows = iemocap.rows(corpora("iemocap")[0])
    category = {row.id: row.fields["category"] for row in rows}
    merged, plain, single = iemocap.protocols(rows)
    assert {category[key] for key in merged.folds[0]} == {"ang", "hap", "exc", "neu", "sad"}
    assert {category[key] for key in plain.folds[0]} == {"ang", "hap", "neu", "sad"}
    for k, fold in enumerate(merged.folds):
        sessions = {part: {key[:5] for key in fold if fold[key] == part} for part in ("train", "dev", "test")}
        assert sessions["test"] == {f"Ses0{k + 1}"} and sessions["dev"] == {f"Ses0{(k + 1) % 5 + 1}"}
        assert len(sessions["train"]) == 3
    dialogue = {row.id: row.fields["dialogue"] for row in rows}
    for fold in single.folds:  # the partner is in dev: nothing of the tested dialogues is trained on
        tested = {dialogue[key] for key in fold if fold[key] == "test"}
        assert not tested & {dialogue[key] for key in fold if fold[key] == "train"}
    assert len(single.folds) == 10


@pytest.mark.parametrize("part, line, told", [
    ("train", "clip\tlabel\n0000\tangry\n", "no column emotion"), ("train", "clip\temotion\n0000\tangry\n", "no line"),
    ("validation", "clip\temotion\n9999\tangry\n", "9999 has no recording"),
    ("test", "clip\temotion\n0000\tbored\n", "")])
def test_mec2017_says_what_is_wrong_with_a_table(tmp_path, part, line, told, capsys):
    BUILDERS["mec2017"](tmp_path)
    (tmp_path / f"{part}.tsv").write_text(line)
    if told:
        with pytest.raises(UserError, match=told):
            mec2017.rows(tmp_path)
    else:
        words = ["--corpus", "mec2017", "--corpus-dir", str(tmp_path), str(tmp_path / "data")]
        assert run_main(prepare.main, words) == 1
        assert "clip 0000: emotion is 'bored', which is no declared class" in capsys.readouterr().err


def test_mec2017_marks_speakers_that_the_official_parts_share(tmp_path):
    BUILDERS["mec2017"](tmp_path)
    clips = [path.stem for path in sorted((tmp_path / "validation").iterdir())]
    for shared in (False, True):
        for part in ("train", "validation"):
            names = sorted(path.stem for path in (tmp_path / part).iterdir())
            write = [f"{clip}\tangry\t{'x' if shared else part}{number}" for number, clip in enumerate(names)]
            (tmp_path / f"{part}.tsv").write_text("clip\temotion\tspeaker\n" + "\n".join(write) + "\n")
        [protocol] = mec2017.protocols(mec2017.rows(tmp_path))
        assert protocol.speaker_overlap == shared
        assert Counter(protocol.folds[0].values())["dev"] == len(clips)


def test_modules_of_corpora_have_at_most_100_lines():
    modules = [path for path in (ROOT / "local").glob("[a-z]*.py") if re.search(r"^CORPUS\b", path.read_text(), re.M)]
    assert len(modules) >= 12
    assert [path.name for path in modules if len(path.read_text().splitlines()) > 100] == []


def test_mec2017_finds_a_clip_in_either_unicode_form(tmp_path):
    BUILDERS["mec2017"](tmp_path)
    table, clip = tmp_path / "train.tsv", "0000"
    (tmp_path / "train" / f"{clip}.wav").rename(tmp_path / "train/zoe\u0308.wav")
    table.write_text(table.read_text().replace(f"\n{clip}\t", "\nzo\u00eb\t"), encoding="utf-8")
    assert any(row.path.name == "zoe\u0308.wav" for row in mec2017.rows(tmp_path))


def test_nemo_tells_what_its_table_has_and_the_directory_lacks(tmp_path, capsys):
    BUILDERS["nemo"](tmp_path)
    sorted((tmp_path / "samples").iterdir())[0].unlink()
    words = ["--corpus", "nemo", "--corpus-dir", str(tmp_path), "--allow-partial", "true", str(tmp_path / "data")]
    assert run_main(prepare.main, words) == 0
    assert "have no recording in samples/ and are passed over: " in capsys.readouterr().err


def test_every_recipe_has_the_option_that_an_incomplete_corpus_hints_at():
    looked = 0
    for run in sorted((ROOT / "egs").glob("*/*/run.sh")):
        name, text = run.parts[-3], run.read_text(encoding="utf-8")
        if (ROOT / "local" / f"{name}.py").is_file() and "stage_prepare" in text and module(name).CORPUS.published:
            assert re.search(r"^option allow-partial ", text, re.M), run
            looked += 1
    assert looked >= 15
