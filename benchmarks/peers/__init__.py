"""Peers: other libraries, and whether each can be measured here."""
