"""Generators of pages and schemas; not in the wheel."""
