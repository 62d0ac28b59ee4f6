"""Finding the servers of a new fleet on hosts that a person names."""
