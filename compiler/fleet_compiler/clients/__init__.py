"""The clients whose configuration fleet writes: each module with a `CLIENT`, and its templates, is a kind."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from fleet_compiler.clients.client import Client, ClientFile, ClientView, Launch

CLIENTS: dict[str, Client] = {
    module.name: import_module(f"{__name__}.{module.name}").CLIENT
    for module in iter_modules(__path__)
    if module.name != "client"
}

__all__ = ["CLIENTS", "Client", "ClientFile", "ClientView", "Launch"]
