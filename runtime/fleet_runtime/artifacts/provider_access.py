"""What else is needed to reach a provider, besides its URL and its key."""

from __future__ import annotations

from pydantic import Field

from fleet_runtime.artifacts.artifact import Artifact
from fleet_runtime.artifacts.shapes import FileName, Ipv4Address, MacAddress, Port, Seconds


class Wake(Artifact):
    """How a provider that sleeps is woken, by a packet to its network card or by a program."""

    mac: MacAddress | None = Field(None, examples=["aa:bb:cc:dd:ee:ff"])
    """Address of the network card that a magic packet (Wake-on-LAN) is sent to."""
    broadcast: Ipv4Address = Field("255.255.255.255", examples=["192.168.1.255"])
    """IPv4 address that the packet is sent to: the broadcast address of the provider's network."""
    port: Port = Field(9, examples=[7])
    """UDP port that the packet is sent to."""
    command: FileName | None = Field(None, examples=["wake-nas.sh"])
    """Instead of `mac`: a program, one file relative to fleet.yaml, that wakes the provider. It is run
    without a shell, with the provider's name as its only argument."""
    timeout: Seconds = Field(90, examples=[30])
    """Seconds that the provider gets to respond after it was woken."""
    roles: bool = Field(False, examples=[True])
    """Whether a role wakes the provider too, instead of going on to its next choice."""
