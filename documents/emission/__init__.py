"""From a fact to a numbered and locked document."""
