"""Ollama's API on top of /v1, for clients that support no other."""
