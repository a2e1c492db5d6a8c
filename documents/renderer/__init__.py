"""The warm, limited child process that prints: everything between frozen content and PDF bytes."""
