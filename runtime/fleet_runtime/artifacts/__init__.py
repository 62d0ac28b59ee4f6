"""The files of ``generated/``: their shapes, and loading them as one checked snapshot."""
