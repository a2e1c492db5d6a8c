"""The door for events, and its signatures."""
