"""Score files, calibration, metrics, statistics and the tables of results."""
