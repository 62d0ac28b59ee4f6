"""The clients whose configuration fleet writes: each module with a `CLIENT`, and its templates, is a kind."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from fleet_compiler.clients.client_kind import Client, ClientFile, ClientView, Launch

_MODULES = [module.name for module in iter_modules(__path__) if module.name != "client_kind"]
_KINDS: list[Client] = [import_module(f"{__name__}.{module}").CLIENT for module in _MODULES]

CLIENTS: dict[str, Client] = {client.name: client for client in _KINDS}

__all__ = ["CLIENTS", "Client", "ClientFile", "ClientView", "Launch"]
