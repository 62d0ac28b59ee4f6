"""What makes the generated pages and schemas; not in the wheel."""
