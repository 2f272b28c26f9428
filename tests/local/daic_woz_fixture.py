"""DAIC-WOZ's layout with lines and sounds of our own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

RATE = 16000
HEAD = "Participant_ID,PHQ8_Binary,PHQ8_Score,Gender,PHQ8_NoInterest"
# part -> session -> (points, gender); genders are coded
SESSIONS = {"train": {"300": (2, 1), "301": (14, 0), "302": (4, 0), "303": (12, 1), "318": (20, 0), "319": (0, 1)},
            "dev": {"373": (1, 0), "409": (10, 1), "410": (3, 1), "411": (17, 0)},
            "test": {"451": (16, 0), "452": (5, 1), "453": (21, 1), "454": (0, 0)}}
SHIFTED = {"318": 34.319917}  # seconds that the transcript is early
SEGMENTS = 4  # of every session
# start, end, speaker, what is said
LINES = [(0.5, 1.7, "Participant", "okay where do i look"), (2.0, 3.0, "Ellie", "hi i'm ellie (intro1)"),
         (3.2, 3.9, "Participant", "<sync>"), (4.0, 5.2, "Participant", "good"),
         (5.4, 6.8, "Participant", "i am from scrubbed_entry"), (7.0, 8.0, "Ellie", "nice"),
         (9.0, 11.5, "Participant", 'it\'s "quiet'), (11.9, 13.0, "Participant", "there"),
         (14.6, 15.0, "Participant", "um"), (15.2, 16.0, "Ellie", "why (why)"),
         (16.5, 28.5, "Participant", "<laughter> because of the sea and the hills and the people")]
INTERRUPTED = [(396.0, 399.0, "Participant", "is it broken"), (420.0, 427.0, "Participant", "yes yes")]  # of 373


def daic_woz(root: Path) -> dict[str, list[tuple[float, float]]]:
    """The tables and sessions of SESSIONS; returns the segments of some.

    Oddities: the transcript of 318 is early; staff come in at 395 s of 373; 451 has no lines of Ellie's; 409 has ten
    points and the label 0; tables spell their columns differently and end with a line of commas, transcripts with an
    empty line; the last turn of 454 ends after its recording.
    """
    root.mkdir(parents=True, exist_ok=True)
    for part, sessions in SESSIONS.items():
        write_table(root, part, sessions)
        for key, (points, gender) in sessions.items():
            write_session(root, key, points, gender)
    plain = [(4.0, 5.2), (9.0, 13.0), (16.5, 22.5), (22.5, 28.5)]
    late = [(round(start + SHIFTED["318"], 3), round(end + SHIFTED["318"], 3)) for start, end in plain]
    # nobody knows when 451's interview begins, so what comes first counts
    return {"300": plain, "318": late, "373": plain, "451": [(0.5, 1.7), *plain],
            "454": [(4.0, 5.2), (9.0, 13.0), (16.5, 22.25), (22.25, 28.0)]}


def write_table(root: Path, part: str, sessions: dict[str, tuple[int, int]]) -> None:
    name = "full_test_split.csv" if part == "test" else f"{part}_split_Depression_AVEC2017.csv"
    head = "participant_ID,PHQ_Binary,PHQ_Score,Gender" if part == "test" else HEAD
    lines = [f"{key},{int(points >= 10 and key != '409')},{points},{gender}" + (",0" if part != "test" else "")
             for key, (points, gender) in sessions.items()]
    (root / name).write_text("\r\n".join([head, *lines, "," * head.count(",")]) + "\r\n", encoding="utf-8")


def write_session(root: Path, key: str, points: int, gender: int) -> None:
    """Speech of who is depressed is a hum, of others a whistle; men's is deeper."""
    directory = root / f"{key}_P"
    directory.mkdir(parents=True, exist_ok=True)
    lines = LINES + (INTERRUPTED if key == "373" else [])
    if key == "451":
        lines = [line for line in lines if line[2] != "Ellie"]
    rows = ["start_time\tstop_time\tspeaker\tvalue",
            *("\t".join(map(str, line)) for line in lines), ""]
    (directory / f"{key}_TRANSCRIPT.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    shift = SHIFTED.get(key, 0.0)
    seconds = 28.0 if key == "454" else lines[-1][1] + shift + 0.5
    random = np.random.default_rng(int(key))
    sound = random.integers(-300, 300, round(seconds * RATE)).astype(np.int16)
    pitch = (150 + 10 * gender if points >= 10 else 1500 + 100 * gender) + int(key) % 7
    for start, end, speaker, _ in lines:
        place = slice(round((start + shift) * RATE), round((end + shift) * RATE))
        time = np.arange(len(sound[place])) / RATE
        tone = 5000 * np.sin(2 * np.pi * (pitch if speaker == "Participant" else 600) * time)
        sound[place] += tone.astype(np.int16)
    soundfile.write(directory / f"{key}_AUDIO.wav", sound, RATE)
