"""DESIGN §9's budgets, measured: ``python -m tests.benchmarks`` prints a table. Nothing here is run by pytest."""
