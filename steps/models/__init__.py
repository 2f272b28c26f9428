"""Networks: tensors in, tensors out; no knowledge of data sets or files."""
