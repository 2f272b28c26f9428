"""Classical classifiers on utterance-level features: learned by scikit-learn, stored as arrays and JSON."""
