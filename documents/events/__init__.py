"""From a signed body to a stored event and its answer."""
