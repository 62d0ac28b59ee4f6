"""The clients whose configuration fleet writes: one module and one template for each kind."""

from __future__ import annotations

from fleet_compiler.clients import opencode
from fleet_compiler.clients.client import Client, ClientView, Launch

CLIENTS: dict[str, Client] = {client.name: client for client in (opencode.CLIENT,)}

__all__ = ["CLIENTS", "Client", "ClientView", "Launch"]
