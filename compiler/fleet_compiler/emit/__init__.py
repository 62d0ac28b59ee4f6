"""From a checked fleet to the files of ``generated/``."""
