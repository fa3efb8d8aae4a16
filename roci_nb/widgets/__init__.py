"""Settings and comparisons as controls, in a cell."""
