"""Benchmarks: one file for each question about speed, ``python -m benchmarks.NAME``."""
