"""Harness: options, workloads, turns, lines, and the expected answers."""
