"""HTTP and wire JSON."""
