"""What is owed, computed from plain values: no database, no Django."""
