"""Objectives and rounds that learn from unlabelled utterances, too."""
