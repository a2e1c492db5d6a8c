"""Real servers for tests: PostgreSQL, Valkey and an SMTP server, each private to one test session or one test."""
