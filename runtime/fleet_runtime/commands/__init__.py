"""The commands that start or ask a gateway, one module each; loaded when they are called."""
