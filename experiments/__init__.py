"""Experiments: one file for each question, each run as ``python -m experiments.NAME``.

``python -m experiments`` lists them.
"""
