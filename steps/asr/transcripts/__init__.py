"""Transcripts of a data set: made, given, scored."""
