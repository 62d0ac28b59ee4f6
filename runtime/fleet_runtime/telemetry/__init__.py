"""What the gateway reports about itself: logs, access log, metrics."""
