"""A fleet to try without any machine: simulated servers, the real compiler, the real gateway."""
