"""The same sound is found under a change that keeps it, and other sound is not."""

import io
import os
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import soundfile
from scipy.signal import lfilter, resample_poly

from steps.data.audio import read_audio
from steps.data.fingerprint import alike, fingerprint, load, save
from utils.errors import UserError

RATE = 16000
REAL = os.environ.get("EMOTION_CORPORA")


def speech(seed: int, seconds: float = 2.0) -> np.ndarray:
    """Noise through resonances that move, in syllables: float32 (T,)."""
    rng = np.random.default_rng(seed)
    sound = [lfilter([1], np.poly([0.97 * np.exp(s * 2j * np.pi * f / RATE) for f in rng.uniform(250, 3200, 3)
                                   for s in (1, -1)]).real, rng.normal(0, 1, RATE // 10) * np.hanning(RATE // 10))
             for _ in range(round(10 * seconds))]
    values = np.concatenate([part / np.abs(part).max() for part in sound])
    return (0.3 * values).astype("float32")


def ogg(samples: np.ndarray) -> np.ndarray:
    stream = io.BytesIO()
    soundfile.write(stream, samples, RATE, format="OGG", subtype="VORBIS")
    stream.seek(0)
    return soundfile.read(stream, dtype="float32")[0]


CHANGES = {
    "quieter": lambda x: (np.round(x * 0.1 * 32767) / 32767, RATE),
    "later": lambda x: (np.concatenate([np.zeros(4800, "float32"), x]), RATE),
    "earlier": lambda x: (x[4800:], RATE),
    "cut": lambda x: (x[len(x) // 5: -len(x) // 5], RATE),
    "ogg": lambda x: (ogg(x), RATE),
    "8 kHz": lambda x: (resample_poly(x, 1, 2), 8000),
    "44.1 kHz": lambda x: (resample_poly(x, 441, 160), 44100),
    "all": lambda x: (resample_poly(ogg(np.concatenate([np.zeros(4800, "float32"), 0.2 * x[:-4800]])), 1, 2), 8000)}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_copy_is_found_and_nothing_else(change):
    prints = [fingerprint(speech(seed), RATE) for seed in range(4)]
    samples, rate = CHANGES[change](speech(2))
    assert alike([*prints, fingerprint(samples, rate)]) == [(2, 4)]


def test_tones_hum_silence_and_short_sound_are_like_nothing():
    time = np.arange(2 * RATE) / RATE
    sounds = [0.3 * np.sin(2 * np.pi * f * time) for f in (440, 880, 1000)]
    sounds += [np.zeros(2 * RATE), np.zeros(2 * RATE), speech(0, 0.5), speech(0, 0.5), np.zeros(3)]
    sounds += [sum(np.sin(2 * np.pi * 50 * k * time) / k for k in range(1, 60)) * gain for gain in (0.1, 0.2)]
    prints = [fingerprint(np.asarray(sound, "float32"), RATE) for sound in sounds]
    assert not any(one.comparable for one in prints) and alike(prints) == []
    assert alike([]) == []


@pytest.mark.parametrize("rate", [1000, 4000, 8000, 11025, 16000, 48000, 192000])
def test_any_length_at_any_rate_has_a_fingerprint(rate):
    noise = np.random.default_rng(0).normal(size=rate).astype("float32")
    for length in [0, 1, *(round(rate * share) for share in (0.063, 0.064, 0.065, 0.3, 0.32, 1))]:
        assert not fingerprint(noise[:length], rate).comparable or length == rate


def test_two_takes_with_the_same_words_and_pauses_are_not_alike():
    """Resonances near to each other in the same rhythm, but another source and another course."""
    prints = []
    for take in range(6):
        rng, parts = np.random.default_rng(take), []
        for syllable in np.random.default_rng(99).uniform(250, 3200, (20, 3)):
            length = round(RATE * rng.uniform(0.09, 0.11))
            near = syllable * rng.uniform(0.97, 1.03)
            poles = [0.97 * np.exp(s * 2j * np.pi * f / RATE) for f in near for s in (1, -1)]
            part = lfilter([1], np.poly(poles).real, rng.normal(0, 1, length) * np.hanning(length))
            parts.append(0.3 * part / np.abs(part).max())
        prints.append(fingerprint(np.concatenate(parts), RATE))
    assert all(one.comparable for one in prints) and alike(prints) == []


def test_fingerprints_are_kept_and_a_damaged_file_is_told(tmp_path):
    path = tmp_path / "fingerprints.npz"
    prints = {"a": fingerprint(speech(1), RATE), "b": fingerprint(np.zeros(5), RATE), "ü": fingerprint(speech(2), RATE)}
    save(path, prints)
    found = load(path)
    assert list(found) == list(prints)
    for key, one in prints.items():
        assert (found[key].codes == one.codes).all() and (found[key].heard == one.heard).all()
    save(path, {})
    assert load(path) == {}
    for harm in (b"", b"garbage", b"PK\x03\x04 half"):
        path.write_bytes(harm)
        with pytest.raises(UserError, match="damaged.*run steps/validate_data.sh again"):
            load(path)
    with pytest.raises(UserError, match="missing"):
        load(tmp_path / "none.npz")


@pytest.mark.slow
@pytest.mark.skipif(not REAL, reason="EMOTION_CORPORA does not say where the real corpora lie")
def test_ravdess_and_emodb_have_one_equal_pair():
    files = sorted(Path(REAL, "ravdess").glob("*/*.flac")) + sorted(Path(REAL, "emodb").rglob("*.flac"))
    prints = [fingerprint(*read_audio(path)[:2]) for path in files]
    pairs = [(files[i].stem, files[j].stem) for i, j in alike(prints)]
    assert pairs == [("03-01-03-01-02-01-07", "03-01-03-01-02-02-07")]


@pytest.mark.slow
@pytest.mark.skipif(not REAL, reason="EMOTION_CORPORA does not say where the real corpora lie")
@pytest.mark.parametrize("change", CHANGES)
def test_changed_copies_of_real_speech_are_found(change):
    files = sorted(Path(REAL, "ravdess").glob("*/*.flac"))[::72]
    real = [fingerprint(*read_audio(path)[:2]) for path in files]
    copies = [fingerprint(*CHANGES[change](read_audio(path)[0])) for path in files]
    pairs = alike([*real, *copies])
    assert len(files) == 20 and set(pairs) <= {(k, k + 20) for k in range(20)}
    assert len(pairs) >= 19
    assert not any(i < 20 and j < 20 for i, j in combinations(range(40), 2) if (i, j) in pairs)
