"""The pages behind a secure link, and the public verification page."""
