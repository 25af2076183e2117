"""Stream: training on batches that come from an iterable, one after the other."""
