"""What the extractors' own libraries take on a list of files, as their documentation uses them.

    python tests/bench/features_alone.py {opensmile-threads,opensmile-processes,fbank} LIST

LIST has one path a line. Prints nothing; the caller takes the time of the whole process.
"""

from __future__ import annotations

import sys
from pathlib import Path


def opensmile_files(paths: list[str], multiprocessing: bool) -> None:
    """opensmile's process_files with two workers."""
    import opensmile

    smile = opensmile.Smile(opensmile.FeatureSet.IS10, opensmile.FeatureLevel.Functionals, num_workers=2,
                            multiprocessing=multiprocessing)
    assert smile.process_files(paths).shape == (len(paths), 1582)


def fbank_files(paths: list[str]) -> None:
    """kaldi-native-fbank file by file; the features are thrown away."""
    import kaldi_native_fbank
    import numpy
    import soundfile

    options = kaldi_native_fbank.FbankOptions()
    options.frame_opts.dither = 0
    options.frame_opts.snip_edges = False
    options.mel_opts.num_bins = 80
    options.mel_opts.high_freq = -400
    for path in paths:
        samples, rate = soundfile.read(path, dtype="float32")
        bank = kaldi_native_fbank.OnlineFbank(options)
        bank.accept_waveform(rate, samples.tolist())
        bank.input_finished()
        numpy.stack([bank.get_frame(index) for index in range(bank.num_frames_ready)])


if __name__ == "__main__":
    what, listing = sys.argv[1:]
    files = Path(listing).read_text(encoding="utf-8").splitlines()
    if what == "fbank":
        fbank_files(files)
    else:
        opensmile_files(files, multiprocessing=what == "opensmile-processes")
