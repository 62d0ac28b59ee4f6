"""`fleet up` as a process, in a folder that a test writes."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.fleet_process import FleetProcess, start_fleet
from tests.support.waiting import eventually

SECONDS = 20


@dataclass(frozen=True, slots=True)
class Up:
    """A running ``fleet up``; what it and its gateway wrote is in two files."""

    process: FleetProcess
    folder: Path

    @property
    def out(self) -> str:
        return (self.folder / "out.txt").read_text()

    @property
    def err(self) -> str:
        return (self.folder / "err.txt").read_text()

    @property
    def port(self) -> int:
        """Where the gateway listens, once it says so."""
        eventually(lambda: "try it" in self.out or self.process.poll() is not None, SECONDS)
        found = re.search(r"base URL  http://127\.0\.0\.1:(\d+)/v1", self.out)
        assert found is not None, self.err
        return int(found[1])

    def stop(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        return self.process.wait(SECONDS)


@contextmanager
def running(folder: Path, *options: str, listen: str = "127.0.0.1:0") -> Iterator[Up]:
    with (folder / "out.txt").open("wb") as out, (folder / "err.txt").open("wb") as err:
        process = start_fleet("up", "--listen", listen, *options, cwd=folder, stdout=out, stderr=err)
    try:
        yield Up(process, folder)
    finally:
        process.terminate()
        process.wait(SECONDS)
