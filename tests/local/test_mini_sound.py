"""The synthetic voice, measured: frequencies, levels, pauses, noise, and the same bytes from a fresh process."""

import hashlib
import time

import numpy as np
import pytest

from local.synthesis import sound
from local.synthesis.espeak import RATE, Speech, synthesize
from local.synthesis.plan import KINDS
from utils.errors import UserError
from utils.sound import noises

TEXT = "the doctor sold the old camera last night."


def tone(frequency, seconds, rate):
    return np.sin(2 * np.pi * frequency * np.arange(int(seconds * rate)) / rate)


def peak_frequency(x, rate=16000):
    return np.argmax(np.abs(np.fft.rfft(x * np.hanning(len(x))))) * rate / len(x)


def level(x):
    return 20 * np.log10(np.sqrt(np.mean(x ** 2)))


@pytest.mark.parametrize("voice", ["en-us+m1", "cmn+f5"])  # f5 is breathy: espeak-ng seeds its noise by the second
def test_fresh_processes_say_the_same_at_any_time(voice):
    speech = Speech(TEXT if voice.startswith("en") else "医生昨天来了", voice, 165, 50, 50, seed=5)
    digests = set()
    for _ in range(3):
        digests.add(hashlib.sha256(synthesize(speech).tobytes()).hexdigest())
        time.sleep(0.6)
    assert len(digests) == 1


def test_the_same_is_said_in_every_locale(latin_1, monkeypatch):
    speech = Speech("医生昨天来了", "cmn+m1", 165, 50, 50)
    said = synthesize(speech).tobytes()
    for name, value in {**latin_1, "LC_ALL": "xx_XX.ISO-8859-1"}.items():
        monkeypatch.setenv(name, value)
    assert synthesize(speech).tobytes() == said


def test_settings_are_heard():
    slow, fast = (synthesize(Speech(TEXT, "en+m3", rate, 50, 50)) for rate in (120, 240))
    assert len(slow) > 1.5 * len(fast)
    low, high = (synthesize(Speech("啊啊啊啊啊", "cmn+m3", 120, pitch, 0)) for pitch in (10, 90))

    def fundamental(x):
        middle = x[len(x) // 3:len(x) // 3 + 2048]
        correlation = np.correlate(middle, middle, "full")[2047:]
        return RATE / (RATE // 230 + np.argmax(correlation[RATE // 230:RATE // 55]))

    assert fundamental(high) > 1.2 * fundamental(low)


def test_a_voice_that_does_not_exist_is_named():
    with pytest.raises(UserError, match="voice nosuch"):
        synthesize(Speech("a", "nosuch", 165, 50, 50))


@pytest.mark.parametrize("warp", [1.0, 1.05, 0.95])
def test_reshape_keeps_frequency_and_duration(warp):
    voice = sound.reshape(tone(1000, 2, RATE), RATE, warp=warp)
    assert len(voice) == pytest.approx(32000 / warp, abs=2)
    assert peak_frequency(voice) == pytest.approx(1000 * warp, abs=1)
    assert level(voice[800:-800]) == pytest.approx(level(tone(1000, 2, RATE)), abs=0.05)


def test_reshape_does_not_alias():
    assert level(sound.reshape(tone(9500, 1, RATE), RATE)[800:-800]) < -50


def test_tilt_is_in_db_an_octave():
    low, high = (level(sound.reshape(tone(f, 1, RATE), RATE, tilt=3)[800:-800]) for f in (500, 2000))
    assert high - low == pytest.approx(6, abs=0.2)


def test_tremor_shakes_loudness_and_pitch_at_its_rate():
    voice = sound.reshape(tone(1000, 2, RATE), RATE, tremor=0.5, tremor_rate=6)
    envelope = np.abs(voice[:32000]).reshape(-1, 80).max(axis=1)
    assert peak_frequency(envelope - envelope.mean(), 200) == pytest.approx(6, abs=0.5)
    crossings = np.diff(np.flatnonzero((voice[:-1] < 0) & (voice[1:] >= 0)))
    assert crossings.std() > 0.1 and crossings.mean() == pytest.approx(16, abs=0.1)


def test_pauses_lengthen_and_keep_the_speech():
    voice = tone(200, 2, 16000) * (1 + 0.9 * np.sin(2 * np.pi * np.arange(32000) / 16000 * 3))
    paused = sound.insert_pauses(voice, 2, np.random.default_rng(0))
    assert 0.3 * 16000 <= len(paused) - len(voice) <= 0.9 * 16000
    assert (paused ** 2).sum() == pytest.approx((voice ** 2).sum(), rel=0.02)
    assert len(sound.insert_pauses(voice, 0, np.random.default_rng(0))) == len(voice)


def test_level_is_that_of_the_speaking_frames():
    voice = np.concatenate([np.zeros(16000), tone(300, 1, 16000), np.zeros(16000)])
    assert level(sound.set_level(voice, 6)[16000:32000]) == pytest.approx(sound.TARGET_LEVEL + 6, abs=0.1)


@pytest.mark.parametrize("kind", ["laugh", "sob"])
def test_bursts_come_before_or_after_the_words(kind):
    voice, sides = tone(300, 1, 16000), set()
    for seed in range(8):
        longer = sound.add_burst(voice, kind, 200, np.random.default_rng(seed))
        assert len(longer) > 1.2 * len(voice) and np.isfinite(longer).all()
        sides.add(bool(np.array_equal(longer[:16000], voice)))
        assert np.array_equal(longer[:16000], voice) or np.array_equal(longer[-16000:], voice)
    assert sides == {True, False}


@pytest.mark.parametrize("kind", KINDS)
def test_noise_has_the_asked_ratio_and_fills_the_length(kind):
    rng, voice = np.random.default_rng(1), tone(440, 2.1, 16000)
    others = [tone(f, 0.7, 16000) for f in (200, 310, 500)]
    behind = noises.babble(len(voice), others, rng) if kind == "babble" else getattr(noises, kind)(len(voice), rng)
    mixed = noises.add_noise(voice, behind, 12)
    assert len(mixed) == len(voice)
    assert level(voice) - level(mixed - voice) == pytest.approx(12, abs=0.2)
