"""Rules between parts of one fleet.yaml, which the schema cannot express."""
