"""Formats: a reader for each file format of word vectors, and their byte stream."""
