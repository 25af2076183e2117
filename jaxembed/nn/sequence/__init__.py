"""Layers that pool the rows of a text in the order of its words."""
