"""Asks and folds; no screen."""
