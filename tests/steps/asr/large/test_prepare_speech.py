"""Corpora of speech become cuts: every drop has a reason, doubles go from the training part only."""

import gzip
import json

import numpy as np
import pytest
import soundfile
from lhotse import CutSet

from steps.asr.large.deduplicate import ID, RECORDING, SENTENCE, doubles
from steps.asr.large.prepare_speech import Limits, cuts_path, main, prepare
from tests.local import mandarin_fixtures
from utils.corpus import Row
from utils.errors import UserError


def sound(path, seed, seconds=0.5, rate=16000):
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = 0.1 * np.random.default_rng(seed).standard_normal(round(seconds * rate))
    soundfile.write(path, samples, rate, subtype="PCM_16")
    return path


def row(key, path, text="你好", part="train", **fields):
    return Row(key, path, fields={"text": text, "part": part, "language": "zh", "speaker": "s", **fields}, where="here")


def test_lhotse_reads_the_cuts_lazily_and_hears_them(tmp_path):
    wave = sound(tmp_path / "a.wav", 0, 2.0)
    fields = {"text": "你 好！", "part": "dev", "language": "zh", "dialect": "x"}
    segment = Row("c-1", wave, 0.5, 1.25, fields, where="w")
    prepare("c", [segment], tmp_path / "out", Limits())
    cuts = CutSet.from_jsonl_lazy(cuts_path(tmp_path / "out", "dev"))
    cut = next(iter(cuts))
    assert (cut.id, cut.start, cut.duration, cut.supervisions[0].text) == ("c-1", 0.5, 0.75, "你好")
    assert cut.supervisions[0].custom == {"dialect": "x"}
    np.testing.assert_allclose(cut.load_audio()[0], soundfile.read(wave)[0][8000:20000], atol=1e-6)
    assert not list(CutSet.from_jsonl_lazy(cuts_path(tmp_path / "out", "train")))


def test_cuts_name_their_recordings_from_the_root(tmp_path, monkeypatch):
    """Recipes in other directories read them, too."""
    mandarin_fixtures.st_cmds(tmp_path / "speech" / "st_cmds")
    monkeypatch.chdir(tmp_path)
    assert main(["--corpora", "st_cmds", "--corpora-dir", "speech", "--reader", "local.mandarin_speech", "out"]) == 0
    with gzip.open(cuts_path(tmp_path / "out/st_cmds", "train"), "rt") as stream:
        sources = [json.loads(line)["recording"]["sources"][0]["source"] for line in stream]
    assert sources and all(source.startswith(str(tmp_path)) for source in sources)


def test_every_unusable_utterance_is_listed_with_its_reason(tmp_path):
    good, long = sound(tmp_path / "good.wav", 0), sound(tmp_path / "long.wav", 1, 3.0)
    (tmp_path / "empty.wav").write_bytes(b"")
    (tmp_path / "torn.wav").write_bytes(good.read_bytes()[:1000])
    rows = [row("ok", good), row("ok", good), row("no-text", good, ""), row("marks", good, "。！"),
            row("missing", tmp_path / "missing.wav"), row("empty", tmp_path / "empty.wav"),
            row("torn", tmp_path / "torn.wav"), row("long", long), row("both", good, overlap=0.5),
            Row("short", long, 0.0, 0.1, {"text": "好", "part": "train"}),
            Row("past", long, 2.5, 3.5, {"text": "好", "part": "dev"})]
    about = prepare("c", rows, tmp_path / "out", Limits(longest=2.0))
    lines = [line.split("\t") for line in (tmp_path / "out/dropped.tsv").read_text().splitlines()[1:]]
    assert {line[0]: line[2] for line in lines} == {
        "ok": "id given before", "no-text": "no transcript", "marks": "empty transcript", "missing": "unreadable",
        "empty": "unreadable", "torn": "unreadable", "long": "longer than 2.0 s", "both": "others speak too",
        "short": "shorter than 0.3 s", "past": "ends after its recording"}
    assert about["parts"]["train"] == {"utterances": 1, "seconds": 0.5, "speakers": 1}
    assert sum(about["dropped"].values()) == len(lines) == 10


def test_a_corpus_of_which_nothing_is_left_is_an_error(tmp_path):
    with pytest.raises(UserError, match="1 no transcript"):
        prepare("c", [row("a", sound(tmp_path / "a.wav", 0), "")], tmp_path / "out", Limits())
    assert not list((tmp_path / "out").glob("*.gz"))


def test_the_same_corpus_gives_the_same_bytes(tmp_path):
    mandarin_fixtures.thchs30(tmp_path / "thchs30")
    content = []
    for out in ("one", "two"):
        assert main(["--corpora", "thchs30", "--corpora-dir", str(tmp_path), str(tmp_path / out)]) == 0
        content.append([cuts_path(tmp_path / out / "thchs30", part).read_bytes() for part in ("train", "dev", "test")])
    assert content[0] == content[1]


def test_a_task_prepares_its_corpus_only(tmp_path, capsys):
    mandarin_fixtures.thchs30(tmp_path / "thchs30")
    mandarin_fixtures.aishell(tmp_path / "elsewhere")
    main(["--corpora", "thchs30", f"aishell={tmp_path}/elsewhere", "--task", "2", str(tmp_path / "out")])
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["aishell"]
    assert "aishell: train 1 utterances" in capsys.readouterr().out


@pytest.fixture
def two_corpora(tmp_path):
    """Corpus b repeats recordings of a: its train utterances 1 to 5, see the test."""
    def wave(name, seed):
        return sound(tmp_path / "wav" / f"{name}.wav", seed)

    first = [row("a-1", wave("a1", 1), "一"), row("a-test", wave("at", 2), "二", "test"),
             row("a-dev", wave("ad", 3), "三", "dev"), row("a-same", wave("as", 9), "九")]
    second = [row("b-test-copy", wave("b1", 2), "二"), row("b-dev-copy", wave("b2", 3), "三"),
              row("b-train-copy", wave("b3", 1), "一"), row("b-other-voice", wave("b4", 7), "一"),
              row("b-same", wave("b5", 8), "九"), row("b-dev", wave("b6", 1), "一", "dev")]
    prepare("a", first, tmp_path / "a", Limits())
    prepare("b", second, tmp_path / "b", Limits())
    return [tmp_path / "a", tmp_path / "b"]


def test_copies_leave_the_training_part_and_test_comes_first(two_corpora):
    found = {key: (reason, of) for key, reason, of in doubles(two_corpora, [])}
    assert found == {"b-test-copy": (RECORDING, "a-test"), "b-dev-copy": (RECORDING, "a-dev"),
                     "a-1": (RECORDING, "b-dev"), "b-train-copy": (RECORDING, "b-dev"), "b-same": (ID, "a-same")}


def test_sentences_of_a_protected_set_are_nobodys_training(two_corpora, tmp_path):
    data = tmp_path / "mec"
    data.mkdir()
    wave = sound(data / "x.wav", 42)
    cut = {"id": "x", "start": 0.0, "duration": 0.5, "supervisions": [{"text": "“九”。", "language": "zh"}],
           "recording": {"sources": [{"source": str(wave)}]}}
    with gzip.open(data / "cuts.jsonl.gz", "wt") as stream:
        stream.write(json.dumps(cut) + "\n")
    found = {key: (reason, of) for key, reason, of in doubles(two_corpora, [data])}
    assert found["a-same"] == found["b-same"] == (SENTENCE, "mec")
