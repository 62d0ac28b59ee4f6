"""The network cards of simulated providers: real UDP, and a magic packet starts its provider."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Collection, Mapping

from fleet_runtime.providers.wake_signal import magic_packet
from fleet_runtime.simulator import SimulationThread


class NetworkCards:
    """`packets` counts those for each provider of `macs`, which start all but those of `dead`; `started` is
    when a provider first did, in unix seconds."""

    def __init__(self, macs: Mapping[str, str], dead: Collection[str] = ()) -> None:
        self.machines: SimulationThread
        self.packets = dict.fromkeys(macs, 0)
        self.started: dict[str, float] = {}
        self._macs = macs
        self._dead = dead
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._port = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def wake(self, name: str) -> str:
        """Return the settings of a provider's `wake:` that reach the card of `name`."""
        return f'mac: "{self._macs[name]}", broadcast: 127.0.0.1, port: {self._port}'

    def _listen(self) -> None:
        while packet := self._socket.recv(2048):
            for name, mac in self._macs.items():
                if packet == magic_packet(mac):
                    self.packets[name] += 1
                    if name not in self._dead:
                        self.started.setdefault(name, time.time())
                        self.machines.set(name, offline=False)

    def close(self) -> None:
        self._socket.sendto(b"", ("127.0.0.1", self._port))
        self._thread.join()
        self._socket.close()
