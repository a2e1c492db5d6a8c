"""Drills on a running system: what is promised is done, and its evidence kept."""
