"""What is shared between training and test parts, and whether permuted labels fall to chance."""
