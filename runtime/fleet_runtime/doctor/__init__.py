"""The checks of ``fleet doctor``."""
