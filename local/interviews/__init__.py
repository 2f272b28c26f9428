"""What corpora of interviews share."""
