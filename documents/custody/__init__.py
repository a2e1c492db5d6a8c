"""Custody over time: what was locked is read again, compared with its row and the log, and missed when it is gone."""
