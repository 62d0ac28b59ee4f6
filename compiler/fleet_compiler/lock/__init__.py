"""fleet.lock: discovering, comparing and storing the models of each provider."""
