"""Phone states: lexicon, alignments and the network on them."""
