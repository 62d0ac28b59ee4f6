"""The compiler's commands, one module each; imported when they are called."""
