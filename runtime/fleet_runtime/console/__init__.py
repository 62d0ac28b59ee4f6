"""The console: the page at ``/``."""
