"""The `delever` command: a face without modelling. Whatever it does, Python can do in one call."""
