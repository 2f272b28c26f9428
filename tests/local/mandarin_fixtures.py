"""Tiny corpora of noise in the published layouts; each names what it follows and has an oddity of its corpus.

Every builder returns what is expected: {id: (part, speaker, normalized text, seconds)}.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import soundfile

Expected = dict[str, tuple[str, str | None, str, float]]


def noise(path: Path, seconds: float = 0.5, channels: int = 1, seed: int = 0, rate: int = 16000) -> None:
    """Write noise; .flac, .opus or .wav by the name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = 0.1 * np.random.default_rng(seed).standard_normal((round(seconds * rate), channels))
    kind = {"format": "OGG", "subtype": "OPUS"} if path.suffix == ".opus" else {}
    soundfile.write(path, samples, rate, **kind)


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def aishell(root: Path) -> Expected:
    """openslr.org/33, lhotse/recipes/aishell.py. Oddity: spaces in transcripts, one is missing, wide letters."""
    for number, (part, name) in enumerate([("train", "S0002/BAC009S0002W0122"), ("train", "S0002/BAC009S0002W0123"),
                                           ("dev", "S0724/BAC009S0724W0121"), ("test", "S0764/BAC009S0764W0121")]):
        noise(root / "data_aishell/wav" / part / f"{name}.wav", seed=number)
    write(root / "data_aishell/transcript/aishell_transcript_v0.8.txt",
          "BAC009S0002W0122 而 对 楼市 成交 抑制\nBAC009S0724W0121 广州 市 ｔ 恤\nBAC009S0764W0121 甚至 出现\n")
    return {"aishell-BAC009S0002W0122": ("train", "S0002", "而对楼市成交抑制", 0.5),
            "aishell-BAC009S0724W0121": ("dev", "S0724", "广州市 t 恤", 0.5),
            "aishell-BAC009S0764W0121": ("test", "S0764", "甚至出现", 0.5)}


def thchs30(root: Path) -> Expected:
    """openslr.org/18, lhotse/recipes/thchs_30.py. Oddity: .trn beside the audio holds a path; a stray " l ="."""
    data = root / "data_thchs30"
    sentences = [("train", "A11_0", "绿 是 阳春 l = 烟 景"), ("dev", "C4_5", "他 仅 凭 腰部"),
                 ("test", "D11_750", "东北军 的 一些")]
    for number, (part, key, text) in enumerate(sentences):
        noise(data / "data" / f"{key}.wav", seed=number)
        noise(data / part / f"{key}.wav", seed=number)
        write(data / "data" / f"{key}.wav.trn", f"{text}\nlv4 shi4\nl v4 sh ix4\n")
        write(data / part / f"{key}.wav.trn", f"../data/{key}.wav.trn\n")
    return {"thchs30-A11_0": ("train", "A11", "绿是阳春烟景", 0.5), "thchs30-C4_5": ("dev", "C4", "他仅凭腰部", 0.5),
            "thchs30-D11_750": ("test", "D11", "东北军的一些", 0.5)}


def st_cmds(root: Path) -> Expected:
    """openslr.org/38, lhotse/recipes/stcmds.py. Oddity: one text file a recording; the speaker is within the name."""
    directory = root / "ST-CMDS-20170001_1-OS"
    sentences = {"20170001P00001A0001": "我说，你好", "20170001P00002I0002": "打开QQ音乐"}
    for number, (key, text) in enumerate(sentences.items()):
        noise(directory / f"{key}.wav", seed=number)
        write(directory / f"{key}.txt", text)
        write(directory / f"{key}.metadata", "NAM P00001A\n")
    return {"st_cmds-20170001P00001A0001": ("train", "P00001A", "我说你好", 0.5),
            "st_cmds-20170001P00002I0002": ("train", "P00002I", "打开 qq 音乐", 0.5)}


def magicdata(root: Path) -> Expected:
    """openslr.org/68, lhotse/recipes/magicdata.py. Oddity: a header, [FIL] tags, a recording known to be bad."""
    rows = {"train": [("5_541_20170607142131", "5_541", "[FIL]你好，世界[SPK]"),
                      ("16_4013_20170819121429", "16_4013", "坏")],
            "dev": [("5_1812_20170628135834", "5_1812", "打开：电视")],
            "test": [("38_5712_20170914195413", "38_5712", "再来")]}
    for part, found in rows.items():
        write(root / part / "TRANS.txt", "UtteranceID\tSpeakerID\tTranscription\n"
              + "".join(f"{key}.wav\t{speaker}\t{text}\n" for key, speaker, text in found))
        for number, (key, speaker, _) in enumerate(found):
            noise(root / part / speaker / f"{key}.wav", seed=number)
    return {"magicdata-5_541_20170607142131": ("train", "5_541", "你好世界", 0.5),
            "magicdata-5_1812_20170628135834": ("dev", "5_1812", "打开电视", 0.5),
            "magicdata-38_5712_20170914195413": ("test", "38_5712", "再来", 0.5)}


def kespeech(root: Path) -> Expected:
    """lhotse/recipes/kespeech.py. Oddity: two phases a part, paths into phase folders, <SPOKEN_NOISE>, dialects."""
    expected: Expected = {}
    lists = {"train_phase1": ("train", "1000001", "phase1"), "train_phase2": ("train", "1000001", "phase2"),
             "dev_phase1": ("dev", "1000002", "phase1"), "dev_phase2": ("dev", "1000002", "phase2"),
             "test": ("test", "1000003", "phase1")}
    for number, (name, (part, speaker, phase)) in enumerate(lists.items()):
        key, directory = f"{speaker}_{number:08x}", root / "Tasks/ASR" / name
        path = f"Audio/{speaker}/{phase}/{key}.wav"
        noise(root / path, seed=number)
        write(directory / "wav.scp", f"{key} {path}\n")
        write(directory / "text", f"{key} 今天<SPOKEN_NOISE>天气\n")
        write(directory / "utt2spk", f"{key} {speaker}\n")
        write(directory / "utt2subdialect", f"{key} {'Mandarin' if phase == 'phase1' else 'Southwestern'}\n")
        # Our normal form parts nothing within Chinese, so a tag between two characters leaves no trace.
        expected[f"kespeech-{key}"] = (part, speaker, "今天天气", 0.5)
    return expected


def aishell3(root: Path) -> Expected:
    """openslr.org/93, lhotse/recipes/aishell3.py. Oddity: characters and pinyin in turn in content.txt."""
    write(root / "spk-info.txt", "# 4 columns\nSSB0005\tB\tfemale\tnorth\nSSB0009\tC\tmale\tsouth\n")
    write(root / "train/label_train-set.txt", "# tones\nSSB00050001|guang3 zhou1|广州%$\n")
    write(root / "train/content.txt", "SSB00050001.wav\t广 guang3 州 zhou1 女 nv3\n")
    write(root / "test/content.txt", "SSB00090002.wav\t哪 na3 儿 er2\n")
    noise(root / "train/wav/SSB0005/SSB00050001.wav")
    noise(root / "test/wav/SSB0009/SSB00090002.wav", seed=1, rate=44100)
    return {"aishell3-SSB00050001": ("train", "SSB0005", "广州女", 0.5),
            "aishell3-SSB00090002": ("test", "SSB0009", "哪儿", 0.5)}


def text_grid(tiers: dict[str, list[tuple[float, float, str]]], end: float) -> str:
    """Praat's long text form (the manual's page "TextGrid file formats")."""
    lines = ['File type = "ooTextFile"', 'Object class = "TextGrid"', "", "xmin = 0 ", f"xmax = {end} ",
             "tiers? <exists> ", f"size = {len(tiers)} ", "item []: "]
    for number, (name, intervals) in enumerate(tiers.items(), start=1):
        lines += [f"    item [{number}]:", '        class = "IntervalTier" ', f'        name = "{name}" ',
                  "        xmin = 0 ", f"        xmax = {end} ", f"        intervals: size = {len(intervals)} "]
        for place, (first, last, text) in enumerate(intervals, start=1):
            lines += [f"        intervals [{place}]:", f"            xmin = {first} ", f"            xmax = {last} ",
                      f'            text = "{text}" ']
    return "\n".join(lines) + "\n"


def aishell4(root: Path) -> Expected:
    """openslr.org/111, lhotse/recipes/aishell4.py. Oddity: a TextGrid whose intervals run backwards; speakers
    named anew in each meeting; 8 channels."""
    for name in ("train_L", "train_M", "train_S", "test"):
        (root / name / "wav").mkdir(parents=True)
    for name, key in (("train_L", "20200616_M_R001S01C01"), ("test", "20200622_M_R002S07C01")):
        noise(root / name / "wav" / f"{key}.flac", 3.0, channels=8)
    write(root / "train_L/TextGrid/20200616_M_R001S01C01.TextGrid",
          text_grid({"001-M": [(0.0, 0.4, ""), (0.4, 1.4, "<sil>好的<%>")], "002-F": [(1.6, 2.5, "开始吧。")]}, 3.0))
    write(root / "test/TextGrid/20200622_M_R002S07C01.TextGrid", text_grid({"001-M": [(1.0, 0.5, "错")]}, 3.0))
    meeting = "20200616_M_R001S01C01"
    return {f"aishell4-{meeting}-001-M-00000": ("train", f"{meeting}-001-M", "好的", 1.0),
            f"aishell4-{meeting}-002-F-00000": ("train", f"{meeting}-002-F", "开始吧", 0.9)}


def alimeeting(root: Path) -> Expected:
    """openslr.org/119, lhotse/recipes/ali_meeting.py. Oddity: overlapping speakers, 8 channels, a suffix that only the
    audio has, Eval and Test a folder deeper."""
    expected: Expected = {}
    places = {"train": root / "Train_Ali_far", "dev": root / "Eval_Ali/Eval_Ali_far",
              "test": root / "Test_Ali/Test_Ali_far"}
    for number, (part, directory) in enumerate(places.items()):
        meeting = f"R000{number}_M000{number}"
        noise(directory / "audio_dir" / f"{meeting}_MS002.wav", 4.0, channels=8, seed=number)
        write(directory / "textgrid_dir" / f"{meeting}.TextGrid", text_grid({
            f"{meeting}_F_SPK8013": [(0.0, 1.0, "大家好"), (2.0, 3.0, "同时说")],
            f"{meeting}_M_SPK8014": [(1.0, 1.9, "嗯，好"), (2.5, 3.5, "一起说")]}, 4.0))
        for tier, speaker, text, seconds in ((f"{meeting}_F_SPK8013", "SPK8013", "大家好", 1.0),
                                             (f"{meeting}_M_SPK8014", "SPK8014", "嗯好", 0.9)):
            expected[f"alimeeting-{meeting}_MS002-{tier}-00000"] = (part, speaker, text, seconds)
    return expected


def wenetspeech(root: Path) -> Expected:
    """lhotse/recipes/wenet_speech.py, github.com/wenet-e2e/WenetSpeech. Oddity: one JSON of everything, long opus
    files, segments of weak confidence in no training subset."""
    audios = []
    for number, subsets in enumerate((["L", "M"], ["DEV"], ["TEST_NET"])):
        aid = f"Y000000000{number}"
        path = f"audio/train/youtube/B00000/{aid}.opus"
        noise(root / path, 6.0, seed=number, rate=48000)
        segments = [{"sid": f"{aid}_S00000", "begin_time": 1.0, "end_time": 2.5, "confidence": 1.0, "subsets": subsets,
                     "text": "怎么样"},
                    {"sid": f"{aid}_S00001", "begin_time": 3.0, "end_time": 5.0, "confidence": 0.6, "subsets": ["W"],
                     "text": "弱"}]
        audios.append({"aid": aid, "duration": 6.0, "md5": "0", "path": path, "source": "youtube", "tags": ["drama"],
                       "url": "https://example.org", "segments": segments})
    write(root / "WenetSpeech.json", json.dumps({"dataset": "WenetSpeech", "language": "zh", "version": "v1.0",
                                                 "audios": audios}, ensure_ascii=False, indent=1))
    return {f"wenetspeech-Y000000000{number}_S00000": (part, None, "怎么样", 1.5)
            for number, part in enumerate(("train", "dev", "test"))}


BUILDERS = {builder.__name__: builder for builder in (aishell, aishell3, aishell4, alimeeting, magicdata, kespeech,
                                                      st_cmds, thchs30, wenetspeech)}
