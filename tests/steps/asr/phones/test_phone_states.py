"""The phone-state head: components, its inputs, and the whole training on speech whose states are known."""

import gzip
import json

import numpy as np
import pytest

from steps.asr.phones import phone_rounds, train_phone_states
from steps.asr.phones.phone_alignment import PhoneSet
from steps.asr.phones.phone_gaussians import Totals, cepstra
from steps.asr.phones.phone_merging import component_names, merge_rare, single_components, state_totals
from steps.asr.phones.phone_states import PhoneStateHead, at_frames, check_recognizer
from steps.asr.phones.state_alignment import Alignment
from steps.asr.units import Units
from steps.features.store import ArchiveWriter
from utils.errors import UsageError, UserError

# Components


def test_rare_states_join_neighbors_of_their_phone_and_rare_phones_the_nearest_of_their_class():
    phones = PhoneSet(("AA", "SH", "T", "ZH"), states=3)
    counts = np.array([9, 100, 10, 90, 60, 70, 80, 20, 20, 20, 5, 5, 5])
    means = np.array([0.0, 1, 1, 1, 5, 6, 7, 3, 3, 3, 2.6, 2.6, 2.6])  # ZH is nearest to T, of its class to SH.0
    found = merge_rare(single_components(phones), counts, (counts * means)[:, None], phones, 50)
    assert component_names(found, phones) == ["SIL.0", "AA.0", "AA.12", "SH.0+ZH.012", "SH.1", "SH.2", "T.012"]
    assert found.tolist() == [0, 1, 2, 2, 3, 4, 5, 6, 6, 6, 3, 3, 3]
    # What is merged stays merged, however many frames it gets later.
    assert merge_rare(found, counts * 100, (counts * means)[:, None], phones, 50).tolist() == found.tolist()


def test_every_component_has_enough_frames_and_silence_is_apart():
    rng = np.random.default_rng(0)
    for states in (1, 3):
        phones = PhoneSet(tuple("abcdefghijkl"), states, silence_states=2)
        counts = rng.integers(0, 90, size=len(phones)) * (rng.random(len(phones)) < 0.8)
        sums = rng.normal(size=(len(phones), 4)) * counts[:, None]
        found = merge_rare(single_components(phones), counts, sums, phones, 50)
        totals = np.bincount(found, weights=counts)
        assert sorted(set(found)) == list(range(len(totals)))
        assert (totals[2:] >= 50).all()
        assert [np.flatnonzero(found == column).tolist() for column in (0, 1)] == [[0], [1]]
    nothing = merge_rare(single_components(phones), 0 * counts, 0 * sums, phones, 50)
    assert nothing.max() == 2  # nothing to tell phones by: one component


def test_totals_of_states():
    rows = [np.arange(6.0).reshape(3, 2), np.ones((2, 2))]
    counts, sums = state_totals([np.array([1, 0, 1]), np.array([1, 2])], rows, 4)
    assert counts.tolist() == [1, 3, 1, 0]
    assert sums.tolist() == [[2, 3], [0 + 4 + 1, 1 + 5 + 1], [1, 1], [0, 0]]


# Gaussians


def test_gaussians_are_those_of_their_frames():
    rng = np.random.default_rng(1)
    states, rows = rng.integers(0, 3, size=6000), rng.normal(size=(6000, 2))
    rows = rows * np.array([[1.0, 2.0], [0.5, 1.0], [3.0, 0.2]])[states] + np.array([[0, 5], [3, 3], [-4, 0]])[states]
    totals = Totals(3, 2)
    totals.add(states[:1000], rows[:1000])
    totals.add(states[1000:], rows[1000:])
    gaussians = totals.gaussians(floor=0.0)
    for state in range(3):
        own = rows[states == state]
        np.testing.assert_allclose(gaussians.means[state], own.mean(axis=0), atol=0.1)
        np.testing.assert_allclose(gaussians.variances[state], own.var(axis=0), rtol=0.1, atol=0.2)
    variances, means = gaussians.variances, gaussians.means
    expected = [sum(-0.5 * np.log(2 * np.pi * variances[state, column])
                    - 0.5 * (rows[17, column] - means[state, column]) ** 2 / variances[state, column]
                    for column in range(2)) for state in range(3)]
    np.testing.assert_allclose(gaussians.log_likelihoods(rows[17:18])[0], expected, rtol=1e-9)


def test_cepstra_do_not_hear_loudness_and_slopes_are_slopes():
    rng = np.random.default_rng(2)
    features = rng.normal(size=(30, 80))
    np.testing.assert_allclose(cepstra(features), cepstra(features + 3), atol=1e-9)
    ramp = cepstra(np.outer(np.arange(30.0), rng.normal(size=80)))
    np.testing.assert_allclose(ramp[5:25, 13:26], np.tile(ramp[11, :13] - ramp[10, :13], (20, 1)), atol=1e-9)
    np.testing.assert_allclose(ramp[5:25, 26:], 0, atol=1e-9)


# Inputs


def test_hidden_states_are_drawn_between_the_centers_of_what_they_see():
    hidden = np.random.default_rng(3).normal(size=(5, 3))
    found = at_frames(hidden, 26, 4)
    centers = [4 * frame + 3 for frame in range(5)]
    for column in range(3):
        np.testing.assert_allclose(found[:, column], np.interp(np.arange(26), centers, hidden[:, column]), atol=1e-6)
    assert at_frames(hidden[:1], 3).tolist() == np.tile(hidden[0], (3, 1)).tolist()
    assert at_frames(hidden[:0], 2, absent=np.array([1, 2, 3])).tolist() == [[1, 2, 3]] * 2


# Training, on speech whose states are known

WORDS = {"see": "S IY", "tea": "T IY", "may": "M AA", "lass": "L AA S", "meal": "M IY L", "sat": "S AA T"}
DIM, SPEAKERS = 12, 12


class Speech:
    """Utterances made of known states; each state has its own spectrum, silence is quiet."""

    def __init__(self, root):
        self.root, rng = root, np.random.default_rng(11)
        self.phones = PhoneSet(("AA", "IY", "L", "M", "S", "T", "ZH"))
        shapes = rng.normal(size=(len(self.phones), DIM)) * 2
        shapes[0] = -8
        self.states, self.text, features = {}, {}, {}
        for number in range(10 * SPEAKERS):
            key = f"s{number // 10:02d}-{number % 10}"
            words = list(rng.choice(sorted(WORDS), size=3))
            lexicon = {**WORDS, "usual": "ZH"}
            if number in (3, 30):
                words[1] = "usual"  # in two utterances only
            row = [0] * int(rng.integers(8, 20))
            for place, word in enumerate(words):
                for phone in lexicon[word].split():
                    for column in self.phones.columns(phone):
                        row += [column] * int(rng.integers(2, 5))
                row += [0] * (int(rng.integers(12, 20)) if place == 2 or rng.random() < 0.3 else 0)
            self.states[key] = np.array(row[:9] if number == 7 else row)  # one is cut short
            self.text[key] = " ".join(words).upper()
            features[key] = shapes[self.states[key]] + rng.normal(size=(len(self.states[key]), DIM))
        self._write(features)

    def _write(self, features):
        data = self.root / "data"
        (data / "splits").mkdir(parents=True)
        (data / "corpus.json").write_text(json.dumps({"name": "toy", "targets": []}))
        with gzip.open(data / "cuts.jsonl.gz", "wt") as stream:
            for key, text in self.text.items():
                supervision = {"id": key, "recording_id": key, "start": 0, "duration": 1, "speaker": key[:3],
                               "text": text}
                stream.write(json.dumps({"id": key, "start": 0, "duration": 1, "supervisions": [supervision]}) + "\n")
        part = {"s10": "dev", "s11": "test"}
        lines = [f"{key}\t1\t{part.get(key[:3], 'train')}\n" for key in self.text]
        (data / "splits" / "official.tsv").write_text("id\tfold\tpart\n" + "".join(lines))
        with ArchiveWriter(data / "fbank", 1, DIM) as writer:
            for key, rows in features.items():
                writer.add(key, rows)
            writer.commit()
        (data / "fbank" / "feature.json").write_text(json.dumps({
            "name": "fbank", "kind": "frames", "dim": DIM, "frame_shift": 0.01, "options": {"bins": DIM},
            "archives": 1}))
        (self.root / "lexicon.txt").write_text("".join(
            f"{word.upper()} {phones.replace('IY', 'IY1')}\n" for word, phones in WORDS.items())
            + "USUAL ZH\nMAY M L\n")
        tokens = ["<blk>", "<unk>", "▁usual", *("▁" + word for word in WORDS)]
        (self.root / "tokens.txt").write_text("".join(f"{token} {number}\n" for number, token in enumerate(tokens)))
        self.by_content = {rows.astype(np.float32).tobytes(): key for key, rows in features.items()}


class Recognizer:
    """Knows every utterance: a spike in the middle of each word; hidden states that say vowel, consonant or silence."""

    subsampling, frame_shift, fingerprint = 4, 0.04, "toy"

    def __init__(self, speech):
        self.speech, self.units = speech, Units.from_tokens(speech.root / "tokens.txt")
        self.dim = len(self.units)
        self.extractor = type("Extractor", (), {"options": {"bins": DIM}})

    def _each(self, features):
        for rows in features:
            key = self.speech.by_content[np.asarray(rows).tobytes()]
            frames = max(0, ((len(rows) - 1) // 2 - 1) // 2)
            yield key, self.speech.states[key], frames

    def log_posteriors(self, features):
        return [self._posteriors(*utterance) for utterance in self._each(features)]

    def _posteriors(self, key, states, frames):
        words = self.speech.text[key].lower().split()
        logp = np.full((frames, self.dim), -5.0, dtype=np.float32)
        logp[:, 0] = -0.1
        spoken = np.flatnonzero(states)
        for place, word in enumerate(words):
            if frames and len(spoken):
                middle = min(frames - 1, int(spoken[(2 * place + 1) * len(spoken) // 6]) // 4)
                logp[middle, [0, *self.units.spell(word)]] = [-5, -0.1]
        return logp

    def hidden(self, features):
        owner = self.speech.phones.owners
        return [np.stack([[owner[s] < 0, owner[s] in (0, 1), owner[s] > 1] for s in states[3::4][:frames]]
                         ).astype(np.float32) if frames else np.zeros((0, 3), np.float32)
                for _, states, frames in self._each(features)]


SETTINGS = ("gaussian_rounds=3 rounds=2 least_steps=50 model.width=16 model.joined=24 training.epochs=2 "
            "training.schedule.warmup_steps=5 training.optimizer.learning_rate=0.01 training.batch_size=16")


@pytest.fixture(scope="module")
def speech(tmp_path_factory):
    return Speech(tmp_path_factory.mktemp("speech"))


def run(speech, out, *more, asr=True, settings=SETTINGS):
    patch = pytest.MonkeyPatch()
    patch.setattr(train_phone_states, "open_asr", lambda directory, device: Recognizer(speech) if directory else None)
    try:
        train_phone_states.main(["--lexicon", str(speech.root / "lexicon.txt"), "--set", settings, "--device", "cpu",
                                 *(["--asr", "toy"] if asr else []), *more, str(speech.root / "data"), str(out)])
    finally:
        patch.undo()
    return out


@pytest.fixture(scope="module")
def trained(speech, tmp_path_factory):
    return run(speech, tmp_path_factory.mktemp("trained"))


def agreement(speech, states):
    """Share of the frames that are in the right phone."""
    owners = speech.phones.owners
    keys = [key for key in states if len(states[key]) == len(speech.states[key])]
    return np.mean(np.concatenate([owners[states[key]] == owners[speech.states[key]] for key in keys]))


def test_the_alignment_finds_the_states_that_made_the_speech(speech, trained):
    first, last = (Alignment.load(trained / "rounds" / f"alignment.{number}.npz") for number in (1, 3))
    assert agreement(speech, first.states) > 0.98  # Gaussian speech: the Gaussians are the true model
    assert agreement(speech, last.states) > 0.95  # the network has seen 100 utterances
    assert {key[:3] for key in last.states} == {f"s{number:02d}" for number in range(11)}  # no test speaker


def test_components_have_the_frames_that_were_asked_for(speech, trained):
    about = json.loads((trained / "phone_states.json").read_text())
    learned = Alignment.load(trained / "rounds" / "alignment.2.npz")
    frames = np.zeros(about["components"])
    for key, states in learned.states.items():
        if key < "s10":
            frames += np.bincount(learned.components[states], minlength=len(frames))
    assert (frames[1:] >= 50).all()
    assert about["silence"] == [0] and about["names"][0] == "SIL.0"
    assert not any(name.startswith("ZH") for name in about["names"]) and any("+ZH.012" in name or "ZH.012+" in name
                                                                             for name in about["names"])
    np.testing.assert_allclose(about["priors"], (frames + 1) / (frames + 1).sum())


def test_the_head_tells_the_states_of_a_speaker_it_has_not_heard(speech, trained):
    head, recognizer = PhoneStateHead.load(trained), Recognizer(speech)
    right = total = 0
    for content, key in speech.by_content.items():
        if key.startswith("s11"):
            features = np.frombuffer(content, dtype=np.float32).reshape(-1, DIM)
            posteriors = head.posteriors(features, recognizer.hidden([features])[0])
            assert posteriors.shape == (len(features), len(head)) and posteriors.dtype == np.float32
            np.testing.assert_allclose(posteriors.sum(axis=1), 1, atol=1e-5)
            silent = np.isin(posteriors.argmax(axis=1), head.silence)
            right, total = right + (silent == (speech.states[key] == 0)).sum(), total + len(silent)
            again = PhoneStateHead.load(trained).posteriors(features, recognizer.hidden([features])[0])
            assert (again == posteriors).all()
    assert right / total > 0.95


def test_it_says_what_it_was_trained_on_and_whom_it_left_out(trained):
    about = json.loads((trained / "phone_states.json").read_text())
    (record,) = about["trained_on"]
    assert record["corpus"] == "toy" and record["speakers"] == [f"s{number:02d}" for number in range(11)]
    assert list(about["left_out"]) == ["s00-7"] and "frames" in about["left_out"]["s00-7"]
    assert [row["round"] for row in about["rounds"]] == [1, 2]
    assert about["rounds"][-1]["dev_accuracy"] > 60
    assert sorted(path.name for path in (trained / "rounds").iterdir()) == [
        "alignment.1.npz", "alignment.2.npz", "alignment.3.npz", "identity.json"]


@pytest.mark.slow
def test_an_interrupted_training_ends_with_the_same_head(speech, trained, tmp_path, monkeypatch):
    scores = phone_rounds.network_scores

    def killed(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(phone_rounds, "network_scores", killed)
    with pytest.raises(KeyboardInterrupt):
        run(speech, tmp_path)
    monkeypatch.setattr(phone_rounds, "network_scores", scores)
    run(speech, tmp_path)
    first, second = (json.loads((path / "phone_states.json").read_text()) for path in (trained, tmp_path))
    assert first == second


def test_a_finished_head_is_kept_and_another_configuration_refused(speech, trained, capsys):
    before = (trained / "model.safetensors").stat().st_mtime_ns
    run(speech, trained)
    assert "nothing to do" in capsys.readouterr().out
    assert (trained / "model.safetensors").stat().st_mtime_ns == before
    with pytest.raises(UsageError, match="least_frames = 50, now least_frames = 40"):
        run(speech, trained, settings=SETTINGS + " least_frames=40")


@pytest.mark.slow
def test_without_a_recognizer_words_are_placed_by_energy(speech, tmp_path):
    out = run(speech, tmp_path, asr=False, settings=SETTINGS.replace("gaussian_rounds=3 rounds=2",
                                                                     "gaussian_rounds=10 rounds=1"))
    assert agreement(speech, Alignment.load(out / "rounds" / "alignment.2.npz").states) > 0.9
    head = PhoneStateHead.load(out)
    assert head.recognizer is None
    assert head.posteriors(np.zeros((4, DIM))).shape == (4, len(head))
    check_recognizer(head, "any")


def test_foreign_inputs_are_told_in_one_line(trained, tmp_path):
    head = PhoneStateHead.load(trained)
    assert head.posteriors(np.zeros((0, DIM)), np.zeros((0, 3))).shape == (0, len(head))
    assert np.isfinite(head.posteriors(np.zeros((5, DIM)), np.zeros((0, 3)))).all()
    for features, hidden in ((np.zeros((5, 80)), np.zeros((1, 3))), (np.zeros((5, DIM)), np.zeros((1, 144))),
                             (np.zeros((5, DIM)), None)):
        with pytest.raises(UserError, match="the phone-state head takes"):
            head.posteriors(features, hidden)
    with pytest.raises(UserError, match="recognizer toy, this one is other"):
        check_recognizer(head, "other")
    with pytest.raises(UserError, match="no phone-state head"):
        PhoneStateHead.load(tmp_path)
