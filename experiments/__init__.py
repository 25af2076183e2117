"""Experiments: one file for each question, each ``python -m experiments.NAME``."""
