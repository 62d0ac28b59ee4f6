"""Acting on a provider: loading and unloading a model."""
