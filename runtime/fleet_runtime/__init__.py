"""The runtime: the gateway that serves ``generated/``."""
