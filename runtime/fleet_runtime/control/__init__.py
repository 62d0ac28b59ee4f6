"""Loading and unloading models on providers."""
