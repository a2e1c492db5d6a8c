"""`make deploy-lab`: production built from docs/operations on hosts of its own, and taken apart under load."""
