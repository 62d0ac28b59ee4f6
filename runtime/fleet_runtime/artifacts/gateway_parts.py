"""Parts of ``gateway:``: state, limits and captures."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from fleet_runtime.artifacts.artifact import Artifact
from fleet_runtime.artifacts.shapes import Bytes, Captured, Seconds, Shape, StatePath, Variable, reference


class DatabaseReference(Artifact):
    """Where the URL of a database is read from, because it holds a password."""

    env: Variable | None = Field(None, examples=["FLEET_STATE_URL"])
    """Environment variable with the URL, `postgresql://user:password@host/database`."""
    file: StatePath | None = Field(None, examples=["secrets/state.url"])
    """File with the URL, relative to fleet.yaml."""


class DatabaseState(Artifact):
    """A database for the state, which several gateways share."""

    postgres: Annotated[DatabaseReference, Shape(reference("databaseReference"))] = Field(
        examples=[{"env": "FLEET_STATE_URL"}]
    )
    """The PostgreSQL database."""


class Limits(Artifact):
    """Limits on what a client may send, and on how long it may stop reading."""

    body: Bytes = Field(100_000_000, examples=["20MB"])
    """The maximum size of a request body."""
    head: Bytes = Field(65_536, examples=["32KiB"])
    """The maximum size of the request line and headers."""
    memory: Bytes = Field(512_000_000, examples=["2GB"])
    """The maximum size of all request bodies in memory."""
    stall: Seconds = Field(60, examples=[20])
    """Seconds without reading after which a client's connection is closed."""


class CaptureSettings(Artifact):
    """Which requests are kept in full, and how much of each."""

    keep: Captured = Field(50, examples=[200])
    """The number of requests to keep."""
    body: Bytes = Field(64_000, examples=["1MB"])
    """The maximum number of bytes to keep of each request body and response body."""
