"""Model lists and favorites for clients."""
