"""fleet.yaml's text to plain data with a position for every key and value."""
