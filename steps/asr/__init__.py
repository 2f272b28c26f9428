"""Speech recognition: text, units, training, decoding, alignment and the scoring of transcripts."""
