"""The commands that compile, one module each; loaded when they are called."""
