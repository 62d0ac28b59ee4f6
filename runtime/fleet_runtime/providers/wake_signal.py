"""Wake a computer: by a magic packet, or by a program of the user.

The packet is AMD's Magic Packet (white paper 20213): six bytes 0xFF, then the card's address sixteen times.
It is sent by UDP to the broadcast address of the card's network.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from fleet_runtime.artifacts.provider_access import Wake
from fleet_runtime.files import UnreadableFileError, resolve_path

REPEAT_SECONDS: Final = (1.0, 2.0, 5.0)
"""Pauses before the packet is sent again, the last one repeatedly, because a datagram may be lost."""
PASSED_ON: Final = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR")
"""The only variables of the gateway's environment that a program gets: the others may hold keys."""


class SignalError(Exception):
    """The computer cannot be woken; the message has the reason."""


def magic_packet(mac: str) -> bytes:
    return b"\xff" * 6 + bytes.fromhex(mac.replace(":", "").replace("-", "")) * 16


async def send_signal(wake: Wake, provider: str, root: Path, environ: Mapping[str, str] = os.environ) -> None:
    """Send the packet repeatedly until cancelled, or run the program to its end; raises `SignalError`."""
    if wake.command is not None:
        try:
            program = resolve_path(root, wake.command)
        except UnreadableFileError as error:
            raise SignalError(f"'{wake.command}' {error.strerror}") from None
        await _run(program, provider, environ)
    else:
        assert wake.mac is not None
        await _broadcast(magic_packet(wake.mac), wake.broadcast, wake.port)


async def _broadcast(packet: bytes, address: str, port: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.setblocking(False)
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        pauses = iter(REPEAT_SECONDS)
        while True:
            try:
                sender.sendto(packet, (address, port))
            except OSError as error:
                where = f"{address}:{port}"
                raise SignalError(f"cannot send to {where}: {error.strerror or error}") from None
            await asyncio.sleep(next(pauses, REPEAT_SECONDS[-1]))


async def _run(program: Path, provider: str, environ: Mapping[str, str]) -> None:
    """Run a regular file with the provider's name; cancelling kills everything that it started in its
    session."""
    process = None
    try:
        if not await asyncio.to_thread(program.is_file):
            raise SignalError(f"'{program}' is not a regular file")
        process = await asyncio.create_subprocess_exec(
            program,
            provider,
            cwd=program.parent,
            env={name: environ[name] for name in PASSED_ON if name in environ},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
        code = await process.wait()
    except OSError as error:
        raise SignalError(f"cannot run '{program}': {error.strerror or error}") from None
    finally:
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await asyncio.shield(process.wait())
    if code:
        raise SignalError(f"'{program.name}' ended with exit code {code}")
