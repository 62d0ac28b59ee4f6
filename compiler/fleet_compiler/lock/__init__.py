"""fleet.lock: what each provider lists, discovered, compared and kept."""
