"""The campaign of tamperings: one program owns the database, another one has a checkpoint and may only read."""
