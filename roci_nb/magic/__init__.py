"""``%%roci`` and ``%roci``."""
