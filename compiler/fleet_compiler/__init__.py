"""The compiler: from fleet.yaml and fleet.lock to ``generated/``."""
