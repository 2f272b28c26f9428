"""The files of finished models."""
