"""The files of ``generated/``: their shapes, and loading them as a checked snapshot."""
