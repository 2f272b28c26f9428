"""The ratio that was asked for is the ratio that is there; sources never meet between the pools."""

import numpy as np
import pytest
import soundfile

from steps.noise import KINDS, POOLS
from steps.noise.mixing import Choice, choose, mix, parse_snr
from steps.noise.sources import Musan, Synthetic
from steps.noise.synthetic import CELLS, HalfRange, recording
from utils.errors import UsageError, UserError

RATE = 16000


def tone(frequency, seconds, height=0.1):
    return height * np.sin(2 * np.pi * frequency * np.arange(int(RATE * seconds)) / RATE)


class White:
    """Noise whose samples are known."""

    def excerpt(self, kind, length, rng):
        return rng.standard_normal(length), "white"


@pytest.mark.parametrize("snr", [20, 5, 0])
def test_the_ratio_in_closed_form(snr):
    """A tone between silences: the active power is height^2 / 2, whatever the silences' length; the rest is noise."""
    voice = np.concatenate([np.zeros(RATE), tone(400, 1.0), np.zeros(2 * RATE)])
    mixed = mix(voice, "a", Choice("noise", snr), White(), "test", 0)
    noise = mixed.samples / 32767 / mixed.factor - voice
    assert 10 * np.log10(0.1 ** 2 / 2 / np.mean(noise ** 2)) == pytest.approx(snr, abs=0.1)
    assert mixed.factor == 1.0


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_the_ratio_and_never_clips(kind):
    voice = tone(300, 1.3, 0.9)
    mixed = mix(voice, "utterance", Choice(kind, 0.0), Synthetic("test", 0), "test", 0)
    noise = mixed.samples / 32767 / mixed.factor - voice
    assert 10 * np.log10(np.mean(voice ** 2) / np.mean(noise ** 2)) == pytest.approx(0, abs=0.1)
    assert mixed.factor < 1 and np.abs(mixed.samples).max() == pytest.approx(0.98 * 32767, abs=1)


def test_the_same_excerpt_at_every_ratio_and_in_every_process():
    voice, source = tone(300, 0.5), Synthetic("test", 3)
    parts = [mix(voice, "a", Choice("music", snr), source, "test", 3).samples / 32767 - voice for snr in (20, 10)]
    assert np.corrcoef(*parts)[0, 1] > 0.999
    again = mix(voice, "a", Choice("music", 10), Synthetic("test", 3), "test", 3)
    assert np.array_equal(again.samples, mix(voice, "a", Choice("music", 10), source, "test", 3).samples)
    other = mix(voice, "b", Choice("music", 10), source, "test", 3)
    assert not np.array_equal(other.samples, again.samples)


def test_choices_depend_on_the_id_alone_and_cover_what_was_asked():
    ids = [f"u{number}" for number in range(2000)]
    fixed = [choose(key, 10.0, KINDS, "test", 0) for key in ids]
    assert {choice.snr for choice in fixed} == {10.0}
    counts = {kind: sum(choice.kind == kind for choice in fixed) for kind in KINDS}
    assert all(abs(count - 500) < 5 * np.sqrt(2000 * 3 / 16) for count in counts.values())
    drawn = [choose(key, None, KINDS, "train", 0) for key in ids]
    clean = [choice for choice in drawn if choice.kind is None]
    ratios = np.array([choice.snr for choice in drawn if choice.kind is not None])
    assert abs(len(clean) - 200) < 5 * np.sqrt(180) and ratios.min() >= 0 and ratios.max() <= 20
    assert abs(ratios.mean() - 10) < 5 * 20 / np.sqrt(12 * len(ratios))
    assert choose("u5", None, KINDS, "train", 0) == drawn[5]


def test_silence_stays_clean():
    mixed = mix(np.zeros(800), "a", Choice("noise", 0.0), Synthetic("test", 0), "test", 0)
    assert mixed.choice == Choice(None, None) and not mixed.samples.any()


@pytest.mark.parametrize("text", ["loud", "99", "nan"])
def test_a_ratio_that_is_none_is_refused(text):
    with pytest.raises(UsageError, match="--snr"):
        parse_snr(text)


def test_parameters_of_the_pools_are_disjoint():
    cells = []
    for half in (0, 1):
        rng = HalfRange(0, half)
        values = np.array([rng.uniform(45, 130) for _ in range(400)])
        cells.append(set(np.floor((values - 45) / 85 * CELLS).astype(int).tolist()))
        assert {int(rng.integers(0, 24)) % 2 for _ in range(50)} == {half}
        assert {int(rng.integers(3, 5)) for _ in range(50)} == {3, 4}  # major and minor are of both
        assert {int(rng.integers(7)) for _ in range(200)} == set(range(half, 7, 2))
    assert cells == [{0, 2, 4, 6}, {1, 3, 5, 7}]
    one, other = (recording("bursts", 0, pool, 0) for pool in POOLS)
    assert np.isfinite(one).all() and not np.array_equal(one, other)


@pytest.fixture
def musan(tmp_path):
    for folder in ("noise/free-sound", "music/fma", "speech/librivox"):
        (tmp_path / folder).mkdir(parents=True)
        for number in range(12):
            samples = np.concatenate([np.zeros(RATE), tone(200 + 50 * number, 1.0)])
            soundfile.write(tmp_path / folder / f"{number}.wav", samples, RATE)
    return tmp_path


def test_musan_is_split_by_name_and_pauses_are_passed_over(musan):
    pools = [Musan(musan, pool, 0) for pool in POOLS]
    for kind in ("noise", "music", "babble"):
        one, other = (set(pool.files[kind]) for pool in pools)
        assert one and other and not one & other and len(one | other) == 12
    for kind in KINDS:
        samples, name = pools[1].excerpt(kind, 8000, np.random.default_rng(0))
        assert len(samples) == 8000 and np.sqrt(np.mean(samples ** 2)) > 1e-3
        assert name.startswith({"babble": "speech/", "bursts": "bursts-"}.get(kind, kind + "/"))
    names = pools[0].excerpt("babble", 4000, np.random.default_rng(1))[1].split()
    assert 3 <= len(names) <= 7 and len(set(names)) == len(names)


def test_a_directory_that_is_not_musan_is_named(tmp_path):
    with pytest.raises(UserError, match="music has 0 wav files"):
        Musan(tmp_path, "test", 0, ["music"])
