"""Measurements of the gateway and the compiler, against what else people could use."""
