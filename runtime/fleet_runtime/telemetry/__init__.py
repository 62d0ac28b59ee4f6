"""Logs, access log, metrics, activity and series of the gateway."""
