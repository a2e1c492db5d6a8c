"""From a stored event to a numbered and locked document."""
