"""Fusion of subsystems' calibrated log-posteriors: equal weights, searched weights, logistic regression."""
