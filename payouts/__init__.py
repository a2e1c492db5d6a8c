"""What drivers and partners are owed: see README.md beside this file."""
