"""Where events come in, and their signatures."""
