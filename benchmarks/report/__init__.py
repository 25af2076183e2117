"""Report of stored lines: tables, plots, and a comparison with earlier lines."""
