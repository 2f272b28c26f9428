"""Small recordings for the tests of reading."""

from fractions import Fraction

import numpy as np


def sine(rate: int, seconds: float = 0.5, hertz: float = 440.0) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(round(rate * seconds)) / rate)).astype("float32")


def encode(path, codec: str, rate: int = 48000, seconds: float = 0.5) -> None:
    """A sine in a container and codec of phones and browsers, as FFmpeg writes them."""
    import av

    samples = np.round(sine(rate, seconds) * 32767).astype("int16")[None]
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, layout="mono")
        stream.bit_rate = 96000
        frame = av.AudioFrame.from_ndarray(samples, "s16", "mono")
        frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
        resampler = av.AudioResampler(format=stream.format, layout="mono", rate=rate,
                                      frame_size=stream.codec_context.frame_size or 0)
        for part in [*resampler.resample(frame), *resampler.resample(None), None]:
            container.mux(stream.encode(part))


def with_flac_total(content: bytes, total: int) -> bytes:
    """A FLAC file whose header states another number of samples."""
    kept = int.from_bytes(content[18:26], "big") >> 36 << 36  # rate, channels, width
    return content[:18] + (kept | total).to_bytes(8, "big") + content[26:]
