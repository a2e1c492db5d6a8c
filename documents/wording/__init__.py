"""What each place says of a document: one table of words, by kind and outcome."""
