"""Ollama's API on top of /v1."""
