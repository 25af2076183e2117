"""Checkpoints: arrays by name in files with digests, and runs that resume from them."""
