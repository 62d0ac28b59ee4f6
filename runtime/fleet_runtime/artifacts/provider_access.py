"""Settings for reaching a provider: sidecar, secrets, basic authentication, wake."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from fleet_runtime.artifacts.artifact import Artifact
from fleet_runtime.artifacts.shapes import (
    NOT_EMPTY,
    SECRET,
    FileName,
    Ipv4Address,
    MacAddress,
    Port,
    Seconds,
    Shape,
    Url,
    UrlPath,
    UserName,
    Variable,
)


class Sidecar(Artifact):
    """A second server in front of a provider, on the same host."""

    url: Url
    """The root URL of the sidecar."""
    paths: Annotated[tuple[UrlPath, ...], NOT_EMPTY] = Field(
        ("/v1/chat/completions", "/v1/completions"), examples=[["/v1/chat/completions", "/v1/responses"]]
    )
    """Paths, below the sidecar's root, that go through it."""


class SecretReference(Artifact):
    """Where a secret is read from; it is never written in fleet.yaml."""

    env: Variable | None = Field(None, examples=["CF_ACCESS_SECRET"])
    """Environment variable with the value. While it is not set, the provider is disabled."""
    file: FileName | None = Field(None, examples=["secrets/cf-access"])
    """File with the value, relative to fleet.yaml."""


class BasicAuth(Artifact):
    """A user and a password, for a provider behind a proxy that requires them (RFC 7617)."""

    user: UserName = Field(examples=["fleet"])
    """The user's name."""
    password: Annotated[SecretReference, Shape(SECRET)] = Field(examples=[{"file": "secrets/nas-password"}])
    """Where the password is read from."""


class Wake(Artifact):
    """How a provider that sleeps is woken, by a packet to its network card or by a program."""

    mac: MacAddress | None = Field(None, examples=["aa:bb:cc:dd:ee:ff"])
    """The MAC address to send a magic packet to (Wake-on-LAN)."""
    broadcast: Ipv4Address = Field("255.255.255.255", examples=["192.168.1.255"])
    """The IPv4 address to send the packet to: the broadcast address of the provider's network."""
    port: Port = Field(9, examples=[7])
    """The UDP port to send the packet to."""
    command: FileName | None = Field(None, examples=["wake-nas.sh"])
    """Instead of `mac`: a program, one file relative to fleet.yaml, that wakes the provider. It is run
    without a shell, with the provider's name as its only argument."""
    timeout: Seconds = Field(90, examples=[30])
    """Seconds to wait for the provider to respond."""
    roles: bool = Field(False, examples=[True])
    """Whether a role wakes this provider, instead of using its next choice."""
