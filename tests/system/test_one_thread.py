"""What reads or changes the state of the gateway runs on its event loop, so that nothing is kept under a
version that is past."""

from __future__ import annotations

import inspect

from fleet_runtime.api.app import OPERATIONS


def test_every_operation_of_the_api_is_a_coroutine_function() -> None:
    assert {operation.path for operation in OPERATIONS} >= {"/api/models", "/api/favorites", "/api/fleet"}
    assert [each.name for each in OPERATIONS if not inspect.iscoroutinefunction(each.handler)] == []
