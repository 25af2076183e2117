"""Bag: `embedding_bag`, its kernels, and the loops that keep rows out of memory."""
