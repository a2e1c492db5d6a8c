"""What each event of money sets in motion."""
