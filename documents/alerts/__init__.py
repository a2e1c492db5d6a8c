"""Incidents and discrepancies: opened once, told to one channel, resolved on recovery."""
