"""Report: tables, plots, and a comparison with earlier lines."""
