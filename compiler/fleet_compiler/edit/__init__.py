"""Edits of fleet.yaml that keep every other byte."""
