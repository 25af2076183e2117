"""Fuzz tests: readers and checkpoints under random damage."""
