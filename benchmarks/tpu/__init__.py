"""Programs compiled ahead of time for TPUs, and what their compiled text shows."""
