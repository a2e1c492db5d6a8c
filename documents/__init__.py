"""Issue, lock, deliver, let in: see README.md beside this file."""
