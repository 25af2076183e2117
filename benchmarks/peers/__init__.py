"""Peers: other libraries as the benchmarks call them."""
