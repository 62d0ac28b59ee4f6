"""What the gateway keeps between runs: favorites and the status history."""
