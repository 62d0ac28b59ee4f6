"""Telling how asking the machines goes."""

from __future__ import annotations

from fleet_compiler.commands.terminal import note, warn
from fleet_runtime.artifacts.contract import ProviderConfig
from fleet_runtime.dialects.observation import Observation
from fleet_runtime.dialects.status_reason import UNSENT, reason_text


def show_observation(name: str, seen: Observation) -> None:
    """One line for a machine that was asked, and one for each oddity of its answer."""
    if seen.status != "online":
        warn(f"{name}: {observation_text(seen)}")
    show_models(name, seen)


def show_models(name: str, seen: Observation) -> None:
    """As `show_observation`, but a machine that gave no list is told of elsewhere."""
    if seen.status == "online":
        count = len(seen.models)
        note(f"{name}: {seen.kind}, {count} {'model' if count == 1 else 'models'}")
    for oddity in seen.warnings:
        warn(f"{name}: {oddity}")


def observation_text(seen: Observation) -> str:
    """Why a machine gave no list."""
    return seen.status if seen.reason is None else reason_text(seen.reason)


def probe_text(connection: ProviderConfig, seen: Observation) -> str:
    """The URL that was asked for the list, and why there is none."""
    unsent = seen.reason is not None and seen.reason.code in UNSENT
    return f"{'no request sent' if unsent else connection.api_base}: {observation_text(seen)}"
