"""The fleet of the tests of favorites."""

from __future__ import annotations

from tests.support.favorites_fleet import own_stack, shared_stack, stack

__all__ = ["own_stack", "shared_stack", "stack"]
