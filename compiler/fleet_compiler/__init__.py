"""fleet's compiler: fleet.yaml and fleet.lock in, ``generated/`` out."""
