"""IMDB: load the Large Movie Review Dataset from any of its file formats."""
