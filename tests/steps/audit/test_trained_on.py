"""What was trained elsewhere may know no speaker, recording or sentence of dev and test, and the audit sees it."""

import hashlib
import json

import pytest

from steps.audit import audit_leaks
from steps.audit.trained_on import audit_components
from steps.data.dataset import Dataset
from steps.data.trained_on import describe_texts, describe_training, read_training, sentence_digest, write_training
from steps.report.sections import components_table
from tests.steps.scored_recipe import folds_by_speaker, recipe, utterances, write_data
from utils.errors import UserError


@pytest.fixture
def emotions(tmp_path):
    """Six speakers, s00 and s03 are tested in fold 1 and dev of fold 3, ..."""
    rows = utterances(6)
    write_data(tmp_path / "emotions", rows, {"folds": folds_by_speaker(rows, 3)})
    (tmp_path / "emotions/audio_hashes.tsv").write_text(
        "id\tsha256\n" + "".join(f"{row['id']}\t{digest(row['id'])}\n" for row in rows))
    return Dataset.open(tmp_path / "emotions")


def digest(text):
    return hashlib.sha256(text.encode()).hexdigest()


def elsewhere(tmp_path, name="speech", hashes=(), **fields):
    """A data set of two utterances of one speaker."""
    rows = [{"id": f"x{number}", "speaker": "x", "text": text} | fields
            for number, text in enumerate(("something else", "and more"))]
    write_data(tmp_path / name, rows, {}, name=name)
    if hashes:
        (tmp_path / name / "audio_hashes.tsv").write_text("".join(f"{key}\t{value}\n" for key, value in hashes))
    return Dataset.open(tmp_path / name)


def verdicts(emotions, tmp_path, record, **options):
    write_training(tmp_path / "model", record)
    found = audit_components(emotions, emotions.split("folds"), [tmp_path / "model"], **options)
    return {(entry["kind"], entry["with"]): entry["verdict"] for entry in found["components"]}, found


def test_what_was_trained_on_other_speech_shares_nothing(emotions, tmp_path):
    data = elsewhere(tmp_path)
    found, whole = verdicts(emotions, tmp_path, describe_training(data, ["x0", "x1"], "recognizer"))
    assert set(found.values()) == {"none"} and len(found) == 6 and whole["leaks"] == []


@pytest.mark.parametrize("name", ["S00", "s00\u00a0", "\ufeffs00", "s0"])
def test_a_speaker_of_a_record_is_found_in_every_spelling(emotions, tmp_path, name):
    record = describe_training(elsewhere(tmp_path, speaker="x"), ["x0"]) | {"corpus": emotions.name, "speakers": [name]}
    assert verdicts(emotions, tmp_path, record)[0]["speaker", "test"] == "leak"
    record["speakers"] = ["s000x"]
    assert verdicts(emotions, tmp_path, record)[0]["speaker", "test"] == "none"


def test_the_same_speaker_name_in_another_corpus_is_another_person(emotions, tmp_path):
    record = describe_training(elsewhere(tmp_path, speaker="s00"), ["x0"], "recognizer")
    assert verdicts(emotions, tmp_path, record)[1]["leaks"] == []
    record["corpus"] = emotions.name
    found, whole = verdicts(emotions, tmp_path, record)
    assert found["speaker", "dev"] == found["speaker", "test"] == "leak"
    assert whole["leaks"][1].startswith("recognizer was trained on made-up and shares the speaker with 8 of 48 test")


def test_the_same_samples_under_another_name_are_a_leak(emotions, tmp_path):
    data = elsewhere(tmp_path, hashes=[("x0", digest("s02-0-1")), ("x1", digest("other"))])
    found, whole = verdicts(emotions, tmp_path, describe_training(data, ["x0", "x1"], "UBM"))
    assert found["recording", "test"] == "leak" and "s02-0-1" in whole["leaks"][0]
    assert verdicts(emotions, tmp_path, describe_training(data, ["x1"], "UBM"))[1]["leaks"] == []


def test_an_utterance_of_the_corpus_itself_is_a_leak_without_hashes_too(emotions, tmp_path):
    (emotions.path / "audio_hashes.tsv").unlink()
    record = describe_training(emotions, ["s01-1-1"], "LDA") | {"speakers": None, "sentences": None}
    found, _ = verdicts(emotions, tmp_path, record)
    assert found["recording", "test"] == "leak" and found["speaker", "test"] == found["sentence", "dev"] == "unknown"


def test_a_sentence_is_a_leak_unless_the_audit_is_told_otherwise(emotions, tmp_path):
    record = describe_texts(["SENTENCE, 1!", "other words"], "speech")
    found, whole = verdicts(emotions, tmp_path, record)
    assert found["sentence", "test"] == "leak" and found["speaker", "test"] == found["recording", "test"] == "none"
    assert "language model was trained on speech and shares the sentence with 24 of 48 dev" in whole["leaks"][0]
    found, whole = verdicts(emotions, tmp_path, record, sentences_may_be_shared=True)
    assert found["sentence", "test"] == "told" and whole["leaks"] == []


def test_sentences_are_the_same_without_case_width_spaces_and_punctuation():
    assert sentence_digest("今天，天气 好！") == sentence_digest("今天天气好")
    assert sentence_digest("Ｄｏｎ't stop") == sentence_digest("don't  STOP.") != sentence_digest("don't stay")
    assert sentence_digest("...") is None and sentence_digest(None) is None


def test_records_that_lie_in_the_data_set_are_found_once(emotions, tmp_path):
    record = describe_training(emotions, ["s00-0-0"], "recognizer")
    write_training(emotions.path, record)
    (emotions.path / "ivector").mkdir()
    write_training(emotions.path / "ivector", [record, describe_texts(["new"], "speech")])
    found = audit_components(emotions, emotions.split("folds"), [])
    assert len(found["components"]) == 2 * 6 and len(found["leaks"]) == 6


def test_a_record_is_found_in_a_component_s_own_file(tmp_path):
    record = describe_texts(["a b"], "speech")
    (tmp_path / "recognizer.json").write_text(json.dumps({"format": 1, "trained_on": record}))
    (tmp_path / "other.json").write_text("[1]")
    (tmp_path / "graph").mkdir()
    (tmp_path / "graph/lm.arpa.json").write_text(json.dumps({"trained_on": [record, describe_texts(["c"], "web")]}))
    assert [found["corpus"] for found in read_training(tmp_path)] == ["speech", "web"]  # once each
    assert read_training(tmp_path / "recognizer.json") == [record]


def test_what_does_not_say_is_listed_and_what_is_damaged_is_named(emotions, tmp_path):
    (tmp_path / "silent").mkdir()
    found = audit_components(emotions, emotions.split("folds"), [tmp_path / "silent"])
    assert found["unknown"] == [str(tmp_path / "silent")] and found["leaks"] == []
    with pytest.raises(UserError, match="no such file or directory"):
        read_training(tmp_path / "nowhere")
    (tmp_path / "silent/trained_on.json").write_text('[{"corpus": "a", "speakers": "all"}]')
    with pytest.raises(UserError, match="trained_on.json: a record needs a corpus, and lists"):
        read_training(tmp_path / "silent")


def test_the_entry_fails_shows_and_reports_it(tmp_path, capsys):
    data, exp = recipe(tmp_path)
    arguments = ["--protocol", "folds", "--permuted", str(exp / "permuted/folds"), str(data), str(exp)]
    write_training(tmp_path / "model", describe_training(elsewhere(tmp_path), ["x0"], "recognizer"))
    assert audit_leaks.main(["--trained-on", str(tmp_path / "model"), *arguments]) == 0
    assert "recognizer, trained on speech: no speaker, recording or sentence of dev or test" in capsys.readouterr().out
    write_training(tmp_path / "model", describe_training(Dataset.open(data), ["s00-0-0"], "recognizer"))
    assert audit_leaks.main(["--trained-on", str(tmp_path / "model"), *arguments]) == 1
    assert "error: leak in made-up, folds: recognizer was trained on made-up" in capsys.readouterr().err
    audit = json.loads((exp / "audit/folds.json").read_text())
    assert not audit["passed"] and "LEAK</span> 8 of 96" in components_table(audit)
