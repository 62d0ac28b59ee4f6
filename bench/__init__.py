"""Benchmarks of the gateway and the compiler, compared with alternatives."""
