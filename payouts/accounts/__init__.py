"""What a person earned and is owed, read from the documents: the one source of the sums of every door."""
