"""Open Mandarin corpora: layouts as published, read as lhotse's own recipes read them, oddities included."""

import importlib

import pytest

from local import mandarin_speech
from local.mandarin_speech import wenetspeech
from local.mandarin_speech.layout import overlaps, text_grid
from steps.asr.large.prepare_speech import Limits, cuts_of, prepare
from steps.text.normal_form import normalize
from tests.local import mandarin_fixtures
from utils.errors import UsageError, UserError

# Those of lhotse's recipes that need no further package.
LHOTSE = {"aishell": ("aishell", "prepare_aishell"), "aishell3": ("aishell3", "prepare_aishell3"),
          "magicdata": ("magicdata", "prepare_magicdata"), "kespeech": ("kespeech", "prepare_kespeech"),
          "st_cmds": ("stcmds", "prepare_stcmds"), "thchs30": ("thchs_30", "prepare_thchs_30"),
          "wenetspeech": ("wenet_speech", "prepare_wenet_speech")}


def utterances(name, directory):
    return {row.id: (row, cut, reason)
            for row, cut, reason in cuts_of(mandarin_speech.rows(name, directory), Limits(), threads=2)}


@pytest.mark.parametrize("name", mandarin_speech.CORPORA)
def test_the_published_layout_gives_what_it_holds(name, tmp_path):
    expected = mandarin_fixtures.BUILDERS[name](tmp_path)
    found = {}
    for key, (row, cut, _) in utterances(name, tmp_path).items():
        if cut is not None:
            supervision = cut["supervisions"][0]
            speaker = supervision.get("speaker")
            found[key] = (row.fields["part"], speaker and speaker.removeprefix(f"{name}-"), supervision["text"],
                          pytest.approx(cut["duration"], abs=1e-3))
    assert found == expected


@pytest.mark.parametrize("name", LHOTSE)
def test_the_same_utterances_as_lhotses_recipe(name, tmp_path):
    mandarin_fixtures.BUILDERS[name](tmp_path)
    module, function = LHOTSE[name]
    parts = {"dataset_parts": ["M", "DEV", "TEST_NET"]} if name == "wenetspeech" else {}
    made = getattr(importlib.import_module(f"lhotse.recipes.{module}"), function)(tmp_path, output_dir=tmp_path / "out",
                                                                                  **parts)
    theirs = set()
    for manifests in made.values():
        # lhotse 1.33 gives the two sets of AISHELL-3 under each other's names.
        for segment in manifests["recordings" if name == "aishell3" else "supervisions"]:
            theirs.add((segment.id, normalize(segment.text, "zh"), round(segment.duration, 2)))
    ours = {(row.id.removeprefix(f"{name}-"), cut["supervisions"][0]["text"], round(cut["duration"], 2))
            for row, cut, _ in utterances(name, tmp_path).values() if cut is not None}
    assert ours == theirs


def test_a_recording_without_transcript_is_listed(tmp_path):
    mandarin_fixtures.aishell(tmp_path)
    about = prepare("aishell", mandarin_speech.rows("aishell", tmp_path), tmp_path / "out", Limits())
    assert about["dropped"] == {"no transcript": 1}
    listed = (tmp_path / "out/dropped.tsv").read_text().splitlines()[1]
    assert listed.startswith("aishell-BAC009S0002W0123\ttrain\tno transcript\t")


def test_a_meetings_overlapping_segments_are_dropped_and_a_damaged_meeting_is_named(tmp_path, capsys):
    mandarin_fixtures.alimeeting(tmp_path / "ali")
    reasons = [reason for _, cut, reason in utterances("alimeeting", tmp_path / "ali").values() if cut is None]
    assert reasons == ["others speak too"] * 6  # two in each of three meetings: 0.5 s of 1 s
    mandarin_fixtures.aishell4(tmp_path / "four")
    utterances("aishell4", tmp_path / "four")
    assert "20200622_M_R002S07C01 is left out" in capsys.readouterr().err


def test_the_first_of_eight_channels_is_taken(tmp_path):
    import numpy as np
    import soundfile
    from lhotse.serialization import deserialize_item

    mandarin_fixtures.alimeeting(tmp_path)
    row, cut, _ = next(found for found in utterances("alimeeting", tmp_path).values() if found[1] is not None)
    samples = soundfile.read(row.path)[0]
    assert samples.shape[1] == 8
    loaded = deserialize_item(cut).load_audio()
    first = round(row.start * 16000)
    np.testing.assert_allclose(loaded[0], samples[first:first + loaded.shape[1], 0], atol=1e-4)


def test_headsets_are_preferred_to_the_array(tmp_path):
    mandarin_fixtures.alimeeting(tmp_path)
    near = tmp_path / "Train_Ali_near"
    mandarin_fixtures.noise(near / "audio_dir/R0000_M0000_F_SPK8013.wav", 4.0)
    mandarin_fixtures.write(near / "textgrid_dir/R0000_M0000_F_SPK8013.TextGrid",
                            mandarin_fixtures.text_grid({"R0000_M0000_F_SPK8013": [(2.0, 3.0, "同时说")]}, 4.0))
    train = [row for row in mandarin_speech.rows("alimeeting", tmp_path) if row.fields["part"] == "train"]
    assert [(row.speaker, row.fields["microphone"], row.fields["overlap"]) for row in train] \
        == [("alimeeting-SPK8013", "headset", 0.0)]


def test_overlap_is_the_share_in_which_others_speak():
    first, second, third = [(0.0, 4.0, "a")], [(1.0, 2.0, "b"), (1.5, 3.0, "b")], [(3.5, 9.0, "c")]
    assert overlaps([first, second, third])[0] == [pytest.approx((2.0 + 0.5) / 4)]
    assert overlaps([first, second, third])[2] == [pytest.approx(0.5 / 5.5)]
    assert overlaps([first]) == [[0.0]]


def test_a_text_grid_in_utf_16_is_read(tmp_path):
    path = tmp_path / "a.TextGrid"
    path.write_text(mandarin_fixtures.text_grid({"A": [(0.0, 1.0, "好 = 坏")]}, 1.0), encoding="utf-16")
    assert text_grid(path) == {"A": [(0.0, 1.0, "好 = 坏")]}


@pytest.mark.parametrize("chunk", [7, 64, 1 << 20])
def test_a_giant_json_is_read_in_pieces(tmp_path, monkeypatch, chunk):
    mandarin_fixtures.wenetspeech(tmp_path)
    monkeypatch.setattr(wenetspeech, "CHUNK", chunk)
    assert [audio["aid"] for audio in wenetspeech.audios(tmp_path / "WenetSpeech.json")] \
        == ["Y0000000000", "Y0000000001", "Y0000000002"]
    whole = (tmp_path / "WenetSpeech.json").read_text()
    (tmp_path / "WenetSpeech.json").write_text(whole[:-40])
    with pytest.raises(UserError, match="download it again"):
        list(wenetspeech.audios(tmp_path / "WenetSpeech.json"))


@pytest.mark.parametrize("name", mandarin_speech.CORPORA)
def test_a_directory_without_the_corpus_says_where_to_get_it(name, tmp_path):
    with pytest.raises(UsageError, match="https://"):
        list(mandarin_speech.rows(name, tmp_path))


def test_an_unknown_corpus_is_told_the_known_ones(tmp_path):
    with pytest.raises(UsageError, match="thchs30"):
        list(mandarin_speech.rows("aishel", tmp_path))
