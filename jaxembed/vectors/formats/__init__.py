"""Formats: one reader for each format of word vectors, and the stream they read."""
