"""Model ids and the resolver of model names. Pure."""
