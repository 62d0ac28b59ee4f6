"""Simulated providers: real HTTP servers on loopback that behave, and misbehave, like those of a fleet."""

from fleet_runtime.simulator.engine import Record
from fleet_runtime.simulator.server import SimulatedServer
from fleet_runtime.simulator.simulation import Simulation, SimulationThread
from fleet_runtime.simulator.spec import Behaviour, ServerSpec, SimulatedModel, parse_specs

__all__ = [
    "Behaviour",
    "Record",
    "ServerSpec",
    "SimulatedModel",
    "SimulatedServer",
    "Simulation",
    "SimulationThread",
    "parse_specs",
]
