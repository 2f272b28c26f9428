"""DAIC-WOZ: the published layout in small, its errata, and what is wrong with a copy."""

import shutil
from collections import Counter

import pytest

from local import daic_woz
from steps.data import prepare
from steps.data.dataset import Dataset
from tests.local import daic_woz_fixture as fixture
from utils.corpus import Target
from utils.errors import UserError, run_main


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    directory = tmp_path_factory.mktemp("daic")
    return directory, fixture.daic_woz(directory)


@pytest.fixture
def copy(corpus, tmp_path):
    """A copy that a test may spoil; the sound is shared."""
    return shutil.copytree(corpus[0], tmp_path / "copy", copy_function=lambda source, to: (
        shutil.copyfile(source, to) if not source.endswith(".wav") else shutil.os.symlink(source, to)))


def test_the_participants_turns_become_segments(corpus):
    directory, expected = corpus
    rows = daic_woz.rows(directory)
    found = {}
    for row in rows:
        found.setdefault(row.fields["session"], []).append((row.start, row.end))
    assert {key: found[key] for key in expected} == expected
    assert found.keys() == {key for sessions in fixture.SESSIONS.values() for key in sessions}
    words = {row.id: row.fields["text"] for row in rows if row.id.startswith("300-")}
    assert words == {"300-001": "good", "300-002": 'it\'s "quiet there', "300-003": None, "300-004": None}


def test_what_is_left_out_is_told(corpus, capsys):
    daic_woz.rows(corpus[0])
    told = capsys.readouterr().err
    # 14 sessions: 13 with Ellie, whose first line ends the talk before; <sync> and a scrubbed name each; "um" each
    assert told == ("daic_woz: 57 segments of 14 sessions; turns of participants left out: 13 before the interview, "
                    "2 in an interruption, 28 marks and scrubbed names, 14 shorter than a second\n")


def test_labels_are_of_the_points_and_the_session(corpus):
    rows = daic_woz.rows(corpus[0])
    for part, sessions in fixture.SESSIONS.items():
        for key, (points, gender) in sessions.items():
            mine = [row.fields for row in rows if row.fields["session"] == key]
            assert {(one["phq8"], one["depression"], one["gender"], one["list"], one["speaker"]) for one in mine} == {
                (str(points), "depressed" if points >= 10 else "control", ("female", "male")[gender], part, key)}
    [protocol] = daic_woz.protocols(rows)
    sessions = {part: {key[:3] for key, its in protocol.folds[0].items() if its == part} for part in fixture.SESSIONS}
    assert sessions == {part: set(keys) for part, keys in fixture.SESSIONS.items()} and not protocol.speaker_overlap


@pytest.mark.parametrize("size", ["full", "tiny"])
def test_it_is_prepared(corpus, tmp_path, size):
    words = ["--corpus", "daic_woz", "--corpus-dir", str(corpus[0]), "--allow-partial", "--size", size]
    assert run_main(prepare.main, [*words, str(tmp_path / "data")]) == 0
    data = Dataset.open(tmp_path / "data")
    assert data.targets == (
        Target("depression", "class", ("control", "depressed"), "depressed", of="session"),
        Target("phq8", "number", threshold=10, of="session"))
    split = data.split("avec2017")
    for part in ("train", "dev", "test"):
        labels = Counter(data.items[key].value(data.target()) for key in split.ids(1, part))
        assert set(labels) == {"control", "depressed"}
    assert data.items["300-002"].fields["phq8"] == 2.0 and data.items["300-002"].duration == 4.0


def test_without_the_test_labels_the_test_part_is_unlabelled(copy):
    (copy / "full_test_split.csv").rename(copy / "away")
    (copy / "test_split_Depression_AVEC2017.csv").write_text("participant_ID,Gender\n" + "".join(
        f"{key},{gender}\n" for key, (_, gender) in fixture.SESSIONS["test"].items()))
    rows = daic_woz.rows(copy)
    assert {row.fields["depression"] for row in rows if row.fields["list"] == "test"} == {"-"}
    assert all("phq8" not in row.fields for row in rows if row.fields["list"] == "test")


def test_a_whole_corpus_is_one_of_189_sessions(corpus, tmp_path, capsys):
    words = ["--corpus", "daic_woz", "--corpus-dir", str(corpus[0]), str(tmp_path / "data")]
    assert run_main(prepare.main, words) == 1
    assert "speakers: 14 of 189" in capsys.readouterr().err


def test_a_session_without_a_turn_of_the_participant_is_named(copy):
    table = copy / "302_P/302_TRANSCRIPT.csv"
    table.write_text("".join(line for line in table.read_text().splitlines(keepends=True) if "Participant" not in line))
    with pytest.raises(UserError, match="302_P/302_TRANSCRIPT.csv: session 302 has no turn of the participant"):
        daic_woz.rows(copy)


def test_a_session_that_no_table_has_is_named(copy):
    table = copy / "dev_split_Depression_AVEC2017.csv"
    table.write_text("".join(line for line in table.read_text().splitlines(keepends=True) if "410" not in line))
    with pytest.raises(UserError, match="410_P: session 410 is in none of .*dev_split_Depression_AVEC2017.csv"):
        daic_woz.rows(copy)
    shutil.move(copy / "410_P", copy / "342_P")  # excluded by the publishers
    assert "342" not in {row.fields["session"] for row in daic_woz.rows(copy)}


@pytest.mark.parametrize(("file", "old", "new", "says"), [
    ("300_P/300_TRANSCRIPT.csv", "\tspeaker", "\twho", "no column speaker"),
    ("300_P/300_TRANSCRIPT.csv", "4.0\t", "four\t", "300_TRANSCRIPT.csv, line 5: .*'four'"),
    ("300_P/300_TRANSCRIPT.csv", None, None, "300_TRANSCRIPT.csv is missing: session 300 is not whole"),
    ("300_P/300_AUDIO.wav", None, None, "300_AUDIO.wav is missing: session 300 is not whole"),
    ("300_P/300_TRANSCRIPT.csv", "11.5", "nan", "300_TRANSCRIPT.csv, line 8: .*'9.0', 'nan'"),
    ("300_P/300_TRANSCRIPT.csv", "9.0", "-inf", "300_TRANSCRIPT.csv, line 8: .*'-inf'"),
    ("train_split_Depression_AVEC2017.csv", ",14,", ",many,", "session 301 has 'many' points"),
    ("train_split_Depression_AVEC2017.csv", ",14,", ",25,", "train_split.*: session 301 has '25' points; .* 0 to 24"),
    ("train_split_Depression_AVEC2017.csv", "Participant_ID", "Who", "train_split_.*: no column Participant_ID"),
    ("dev_split_Depression_AVEC2017.csv", "\n410,", "\n301,", "dev_split_.*: session 301 stands in the list train "),
    ("full_test_split.csv", "\n451,", "\n452,", "full_test_split.csv: session 452 stands in the list test already")])
def test_what_is_damaged_is_named(copy, file, old, new, says):
    if old is None:
        (copy / file).unlink()
    else:
        (copy / file).write_text((copy / file).read_text().replace(old, new))
    with pytest.raises(UserError, match=says):
        daic_woz.rows(copy)


def test_a_session_that_only_a_table_has_is_told(copy, capsys):
    shutil.rmtree(copy / "301_P")
    rows = daic_woz.rows(copy)
    assert "301" not in {row.fields["session"] for row in rows}
    assert capsys.readouterr().err.endswith("; of the tables' sessions not there: 301\n")


def test_another_directory_is_refused(tmp_path):
    with pytest.raises(UserError, match="no 300_P, ... train_split.* there; the corpus is at ") as error:
        daic_woz.rows(tmp_path)
    assert error.value.status == 2


def segments_of(copy, *lines):
    """What becomes of session 300 with these lines after Ellie's first."""
    told = ["start_time\tstop_time\tspeaker\tvalue", "0\t1\tEllie\thi", *lines]
    (copy / "300_P/300_TRANSCRIPT.csv").write_text("\n".join(told) + "\n")
    return [(row.start, row.end, row.fields["text"]) for row in daic_woz.rows(copy) if row.id.startswith("300-")]


def test_lines_may_stand_in_any_order(copy):
    assert segments_of(copy, "10\t12\tParticipant\tlate", "5\t7\tParticipant\tearly", "11.5\t13\tParticipant\ton") == [
        (5.0, 7.0, "early"), (10.0, 13.0, "late on")]


def test_speech_that_another_speaks_into_counts_once(copy):
    assert segments_of(copy, "2\t10\tParticipant\tlong", "4\t5\tEllie\tmhm", "5\t9\tParticipant\tyes",
                       "10.5\t11.5\tParticipant\tand", "11.6\t12\tEllie\tso", "12\t14\tParticipant\tno") == [
        (2.0, 11.5, "long yes and"), (12.0, 14.0, "no")]


def test_a_session_of_which_nothing_can_be_used_says_why(copy):
    with pytest.raises(UserError, match="300_TRANSCRIPT.csv: .*no turn .*left out: 2 behind the end of the recording"):
        segments_of(copy, "1000\t1003\tParticipant\tyes", "1004\t1006\tParticipant\tno")
