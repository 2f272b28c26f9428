"""Sounds that synthetic corpora and noisy sets share. numpy only; everything at 16 kHz."""
