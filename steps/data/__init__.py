"""The data room: a corpus module's rows become a checked data set that every later step reads.

A data set is a directory, e.g. `data/ravdess`:

    cuts.jsonl.gz       lhotse CutSet: one MonoCut an utterance (representation: steps/data/cuts.py)
    corpus.json         what holds for the corpus as a whole: targets, counts, warnings, conversions
    splits/<protocol>.tsv, .json    folds: `id  fold  part`, and the protocol's description and marks
    validation.json, duplicates.tsv, audio_hashes.tsv, fingerprints.npz    written by steps/validate_data.sh
    headers.tsv, sound.tsv    remarks of preparation on lengths, and of validation on the sound, if there are any

One subject a file: fields.py (what a field may hold), cuts.py (rows to cuts), audio/ (samples), splits.py (folds),
checks.py (a corpus against what it declares), tiny.py (the choice behind --size tiny), dataset.py (the reader),
listen.py (what one utterance's sound shows), same_sound.py (what several share: duplicates.py, fingerprint.py,
recordings.py), prepare.py and validate.py (entry points).
"""
