"""From disk to float32 mono at 16 kHz: the one way in which recordings are read.

    load_audio(item)      samples of an utterance, and what was done to them
    read_sound(path)      the same with all that is to be said of it, at any rate
    audio_info(path)      rate, channels and length
    Recording(path)       block by block, whatever the length

soundfile decodes what it knows and what states its length rightly, PyAV everything else (headers.py). Channels are
mixed down by their mean; where they cancel, the loudest is taken. Another rate is resampled by soxr
(resampling.py).
"""

from steps.data.audio.files import GitLfsPointer, is_companion, is_pointer, pointers_line, show_path
from steps.data.audio.levels import remarks_of
from steps.data.audio.reading import (
                                      AudioInfo,
                                      Recording,
                                      Sound,
                                      TooLong,
                                      audio_info,
                                      load_audio,
                                      read_audio,
                                      read_sound,
)
from steps.data.audio.remarks import Remark, warnings_of
from steps.data.audio.resampling import RATE, resample, resample_blocks

__all__ = ["RATE", "AudioInfo", "GitLfsPointer", "Recording", "Remark", "Sound", "TooLong", "audio_info",
           "is_companion", "is_pointer", "load_audio", "pointers_line", "read_audio", "read_sound", "remarks_of",
           "resample", "resample_blocks", "show_path", "warnings_of"]
