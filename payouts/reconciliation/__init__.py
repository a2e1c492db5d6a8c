"""Statements, payouts and events against each other."""
