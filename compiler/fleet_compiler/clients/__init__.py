"""The supported clients: each module with a `CLIENT`, and its templates, is one kind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from pkgutil import iter_modules

from fleet_compiler.clients.client_kind import Client, ClientFile, ClientOptions, Launch
from fleet_compiler.clients.view import ClientView

_PARTS = frozenset({"client_kind", "formats", "view"})
"""The modules that kinds are made of."""


class _Kinds(Mapping[str, Client]):
    """The kinds by name, in order; each module is imported when it is needed."""

    def __init__(self) -> None:
        modules = (module.name for module in iter_modules(__path__))
        self._modules = {
            module.removesuffix("_").replace("_", "-"): f"{__name__}.{module}"
            for module in modules
            if module not in _PARTS
        }

    def __getitem__(self, name: str) -> Client:
        client: Client = import_module(self._modules[name]).CLIENT
        return client

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._modules))

    def __len__(self) -> int:
        return len(self._modules)


CLIENTS: Mapping[str, Client] = _Kinds()

__all__ = ["CLIENTS", "Client", "ClientFile", "ClientOptions", "ClientView", "Launch"]
