"""Telling how asking the machines goes."""

from __future__ import annotations

from fleet_compiler.commands.terminal import note, warn
from fleet_runtime.dialects.observation import Observation


def show_seen(name: str, seen: Observation) -> None:
    """One line for a machine that was asked, and one for each oddity of its answer."""
    if seen.status == "online":
        count = len(seen.models)
        note(f"{name}: {seen.kind}, {count} {'model' if count == 1 else 'models'}")
    else:
        warn(f"{name}: {said(seen)}")
    for oddity in seen.warnings:
        warn(f"{name}: {oddity}")


def said(seen: Observation) -> str:
    """Why a machine gave no list."""
    return seen.reason or seen.status
