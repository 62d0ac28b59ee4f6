"""Parsing fleet.yaml to plain data, with a position for every key and value."""
