"""Errors and warnings with a position, and how they are reported."""
