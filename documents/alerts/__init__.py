"""Incidents and discrepancies: opened once, sent to one channel, resolved on recovery."""
