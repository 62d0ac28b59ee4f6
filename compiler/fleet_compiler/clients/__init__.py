"""The clients whose configuration fleet writes: each module with a `CLIENT`, and its templates, is a kind."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from fleet_compiler.clients.client_kind import Client, ClientFile, ClientOptions, Launch
from fleet_compiler.clients.view import ClientView

_MODULES = [import_module(f"{__name__}.{module.name}") for module in iter_modules(__path__)]
_KINDS: list[Client] = [module.CLIENT for module in _MODULES if hasattr(module, "CLIENT")]

CLIENTS: dict[str, Client] = {client.name: client for client in sorted(_KINDS, key=lambda kind: kind.name)}

__all__ = ["CLIENTS", "Client", "ClientFile", "ClientOptions", "ClientView", "Launch"]
