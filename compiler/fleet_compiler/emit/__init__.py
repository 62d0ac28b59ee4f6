"""Writing ``generated/`` from a checked fleet."""
