"""What people decide about facts that cannot be issued as they are."""
