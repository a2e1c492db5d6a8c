"""The HTTP API of payouts and of the work list."""
