"""A fleet to try without any provider: simulated servers, the real compiler, the real gateway."""
