"""Synthetic speech: what is said, by whom, how, and over which noise; made with espeak-ng, one process an utterance."""
