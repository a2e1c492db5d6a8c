"""Evidence packs: what a stranger is handed to check a document offline, and the program that checks it."""
