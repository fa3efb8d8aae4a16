"""Shows values; no network."""
