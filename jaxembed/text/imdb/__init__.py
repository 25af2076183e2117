"""IMDB: the Large Movie Review Dataset, from each form that it is found in."""
