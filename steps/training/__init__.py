"""One trainer for every network: no knowledge of a particular model or corpus."""
