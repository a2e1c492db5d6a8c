"""PostgreSQL and Valkey that start by themselves where no URL names real ones."""
