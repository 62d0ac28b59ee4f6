"""The page at ``/``: the fleet in a browser."""
