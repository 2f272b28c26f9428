"""Training of a recognizer: units, batches, augmentation, averaging."""
