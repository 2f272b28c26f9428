"""The process that speaks one utterance: raw 16-bit samples at 22050 Hz on standard output. See espeak.py.

Arguments: library, data directory, voice, rate, pitch, pitch range, word gap, seed, text. Standard library only.
"""

import ctypes
import os
import sys

SYNCHRONOUS, DO_NOT_EXIT, UTF8, CHARACTERS = 2, 0x8000, 1, 1
PARAMETERS = {"rate": 1, "pitch": 3, "pitch_range": 4, "word_gap": 7}  # espeak_PARAMETER in speak_lib.h


def main(library: str, data: str, voice: str, rate: str, pitch: str, pitch_range: str, word_gap: str,
         seed: str, text: str) -> None:
    espeak = ctypes.CDLL(library)
    if espeak.espeak_Initialize(SYNCHRONOUS, 0, os.fsencode(data), DO_NOT_EXIT) != 22050:
        sys.exit(f"no espeak-ng data of this version in {data}")
    # Breathy voices hold noise whose seed is otherwise the time in seconds.
    espeak.espeak_ng_SetRandSeed.argtypes = [ctypes.c_long]
    espeak.espeak_ng_SetRandSeed(int(seed))
    chunks = []
    kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)

    @kind
    def collect(samples, count, _events):
        if samples and count > 0:
            chunks.append(ctypes.string_at(samples, 2 * count))
        return 0

    espeak.espeak_SetSynthCallback(collect)
    if espeak.espeak_SetVoiceByName(voice.encode()):
        sys.exit(f"no voice {voice}")
    values = {"rate": rate, "pitch": pitch, "pitch_range": pitch_range, "word_gap": word_gap}
    for name, value in values.items():
        if espeak.espeak_SetParameter(PARAMETERS[name], int(value), 0):
            sys.exit(f"{name} {value} was not accepted")
    encoded = os.fsencode(text)  # UTF-8 as it was given, whatever the locale made of it
    espeak.espeak_Synth.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint, ctypes.c_int, ctypes.c_uint,
                                    ctypes.c_uint, ctypes.c_void_p, ctypes.c_void_p]
    if espeak.espeak_Synth(encoded, len(encoded) + 1, 0, CHARACTERS, 0, UTF8, None, None):
        sys.exit("synthesis failed")
    sys.stdout.buffer.write(b"".join(chunks))
    sys.stdout.flush()
    os._exit(0)  # the library's own tear-down is not worth waiting for


if __name__ == "__main__":
    if sys.argv[1:] == ["--help"]:
        sys.exit(print(__doc__))
    main(*sys.argv[1:])
