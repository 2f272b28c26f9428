"""The recognizer recipes in small, from a clean clone: every stage; the mini ensemble that calls its recognizer; a kill
in the middle of training."""

import os
import signal
import subprocess
import time

import pytest

from steps.data.dataset import Dataset
from tests.soak.workshop import Workshop

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    made = Workshop(tmp_path_factory.mktemp("recognizer"))
    made.clone()
    return made


def call(shop, recipe, *options):
    return subprocess.run([str(shop.root / "egs" / recipe / "run.sh"), "--size", "tiny", *options], capture_output=True,
                          text=True, cwd="/", timeout=1500)


def weights(shop):
    return (shop.root / "egs/mini/asr/tiny/exp/asr/model.safetensors").read_bytes()


def test_the_mini_ensemble_trains_its_recognizer_and_transcribes(shop):
    done = call(shop, "mini/ensemble")
    assert done.returncode == 0, done.stderr[-3000:]
    assert "27 of 27 stages ran" in done.stdout
    recipe = shop.root / "egs/mini/ensemble/tiny"
    made = Dataset.open(recipe / "data/mini", layers=("asr", "asr_words"))
    assert all("asr_text" in item.fields and "asr_confidence" in item.fields for item in made.items.values())
    assert any(item.fields["asr_words"] for item in made.items.values())
    again = call(shop, "mini/ensemble")
    assert again.returncode == 0 and again.stdout.count("done already") == 27


def test_a_training_killed_in_mid_epoch_ends_with_the_same_weights(shop):
    if call(shop, "mini/asr").returncode:
        pytest.fail("the recipe does not run")
    wanted = weights(shop)
    process = subprocess.Popen([str(shop.root / "egs/mini/asr/run.sh"), "--size", "tiny", "--stage", "6",
                                "--stop-stage", "6", "--set", "training.checkpoint_every_batches=1"],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True, cwd="/")
    state = shop.root / "egs/mini/asr/tiny/exp/asr/checkpoint/state.json"
    until = time.monotonic() + 300
    while not state.is_file() and time.monotonic() < until and process.poll() is None:
        time.sleep(0.02)
    assert state.is_file(), "no checkpoint was seen"
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    done = call(shop, "mini/asr", "--set", "training.checkpoint_every_batches=1", "--stop-stage", "6")
    assert done.returncode == 0, done.stderr[-3000:]
    assert weights(shop) == wanted
