"""fleet's runtime: ``generated/`` in, a running gateway out."""
