"""Harness: workloads, options, turns, lines, and the answers to check against."""
