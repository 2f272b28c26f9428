"""Noisy sets, and how well what was trained stands noise."""

KINDS = ("noise", "music", "babble", "bursts")
POOLS = ("train", "test")  # of noises: for training with, for testing with
