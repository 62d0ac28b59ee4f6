<<<<<<< HEAD
"""A fleet to try without any provider: simulated servers, the real compiler, the real gateway."""
=======
"""A fleet to try without any hardware: simulated servers, the real compiler, the real gateway."""
>>>>>>> 4f93009 (Call simulated servers servers, and part what disturbs their responses; no circle in the simulator)
