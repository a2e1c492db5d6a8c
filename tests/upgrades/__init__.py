"""What an earlier version stored is complete and usable in this one."""
