"""What people read of a code and its values, in Spanish and English: made at the edge, never stored or read back."""
