"""Simulated providers: real HTTP servers on loopback that behave, and misbehave, like those of a fleet."""

from fleet_runtime.simulator.engine import Record
from fleet_runtime.simulator.machine import SimulatedMachine
from fleet_runtime.simulator.simulation import Simulation, SimulationThread
from fleet_runtime.simulator.spec import Behaviour, MachineSpec, SimulatedModel, parse_specs

__all__ = [
    "Behaviour",
    "MachineSpec",
    "Record",
    "SimulatedMachine",
    "SimulatedModel",
    "Simulation",
    "SimulationThread",
    "parse_specs",
]
