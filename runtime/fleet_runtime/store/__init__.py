"""Persistent state of the gateway: favorites and the status history."""
