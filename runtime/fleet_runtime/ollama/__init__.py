"""Ollama's API on top of /v1, for clients that speak nothing else."""
