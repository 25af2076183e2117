"""Data and arguments of a training run: checks, row masks, and buckets by length."""
