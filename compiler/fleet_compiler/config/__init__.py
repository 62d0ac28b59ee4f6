"""fleet.yaml's schema and model."""
