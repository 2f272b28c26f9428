"""Run a command of a scheduler, and tell a refusal from silence."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping

from utils.jobs.submissions import Refused, Unreachable

ANSWER_SECONDS = 120


def call(argv: list[str], transient: re.Pattern[str], host: str, environment: Mapping[str, str],
         keep: tuple[int, ...] = ()) -> str:
    """The output of a scheduler's command.

    Args:
        transient: what the command says when the scheduler does not answer.
        host: where the command is found, for the message. keep: descriptors that the command inherits.

    Raises:
        Unreachable: the scheduler does not answer. Refused: it says no, or the command is not installed.
    """
    try:
        done = subprocess.run(argv, capture_output=True, text=True, errors="replace", timeout=ANSWER_SECONDS,
                              pass_fds=keep, env=dict(environment), stdin=subprocess.DEVNULL)
    except FileNotFoundError as error:
        raise Refused(f"{argv[0]} is not on PATH: is this {host}? (EMOTION_CLUSTER=local runs here)") from error
    except subprocess.TimeoutExpired as error:
        raise Unreachable(f"{argv[0]}: no answer in {ANSWER_SECONDS} s") from error
    if done.returncode:
        message = " ".join(f"{done.stderr} {done.stdout}".split()) or f"exit status {done.returncode}"
        raise (Unreachable if transient.search(message) else Refused)(f"{argv[0]}: {message}")
    return done.stdout
