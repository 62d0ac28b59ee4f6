"""The demo: simulated servers with the real compiler and gateway."""
