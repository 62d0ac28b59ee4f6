"""Find the process that listens on a local port, as far as Linux's /proc shows it to this user (proc(5))."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

PROC = Path("/proc")
LISTEN = "0A"
"""The state of a listening socket in /proc/net/tcp."""

_LOCAL_ADDRESS, _STATE, _INODE = 1, 3, 9


def port_owner(port: int, proc: Path = PROC) -> str | None:
    """Return the name and pid of the process that listens on TCP `port`, None if unknown."""
    sockets = {f"socket:[{inode}]" for inode in _listening(port, proc)}
    with suppress(OSError):
        for process in proc.iterdir():
            if process.name.isdigit() and _holds(process, sockets):
                is_gateway = "fleet_compiler" in _read(process / "cmdline")
                name = "a fleet gateway" if is_gateway else f"'{_read(process / 'comm').strip()}'"
                return f"{name} (process {process.name})"
    return None


def _listening(port: int, proc: Path) -> Iterator[str]:
    for table in ("tcp", "tcp6"):
        for line in _read(proc / "net" / table).splitlines()[1:]:
            fields = line.split()
            if fields[_STATE] == LISTEN and int(fields[_LOCAL_ADDRESS].rpartition(":")[2], 16) == port:
                yield fields[_INODE]


def _holds(process: Path, sockets: set[str]) -> bool:
    with suppress(OSError):  # it has ended, or belongs to another user
        return any(_link(descriptor) in sockets for descriptor in (process / "fd").iterdir())
    return False


def _link(descriptor: Path) -> str:
    with suppress(OSError):
        return str(descriptor.readlink())
    return ""


def _read(path: Path) -> str:
    with suppress(OSError):
        return path.read_text(errors="replace")
    return ""
