"""Whatever reads or changes what the gateway knows runs on its event loop, so that nothing is kept under a
version that is past: FastAPI runs whatever is no coroutine function in threads."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from fleet_runtime.api.app import create_api
from fleet_runtime.gateway.service import Service
from tests.support import artifacts


def called(dependant: Dependant) -> Iterator[Callable[..., Any]]:
    """What a route calls: what it depends on, and itself."""
    if dependant.call is not None:
        yield dependant.call
    for other in dependant.dependencies:
        yield from called(other)


def test_no_route_of_the_api_runs_in_a_thread(tmp_path: Path) -> None:
    artifacts.write_generated(tmp_path, artifacts.gateway(artifacts.connection("desk"), state="state.db"))
    routes = [route for route in create_api(Service.load(tmp_path, {})).routes if isinstance(route, APIRoute)]
    assert {route.path for route in routes} >= {"/api/models", "/api/favorites", "/api/fleet", "/metrics"}
    threaded = [
        (route.path, call.__name__)
        for route in routes
        for call in called(route.dependant)
        if not inspect.iscoroutinefunction(call)
    ]
    assert threaded == []
