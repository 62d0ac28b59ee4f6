"""Watch the generated folder for changes.

File times are polled instead of inotify: this works for swapped symbolic links, bind mounts and network
shares, and costs two system calls.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path

WATCH_SECONDS = 0.5
RETRY_SECONDS = 5.0

log = logging.getLogger("fleet.service")


async def watch_folder(
    folder: Path, is_rejected: Callable[[], bool], reload: Callable[[], Awaitable[object]]
) -> None:
    """Call `reload` when the manifest, or the target of the folder's link, changes, until cancelled.

    While `is_rejected`, call it at any change of the folder, and every `RETRY_SECONDS`.
    """
    seen = _signature(folder, is_rejected())
    waited = 0.0
    while True:
        await asyncio.sleep(WATCH_SECONDS)
        waited += WATCH_SECONDS
        rejected = is_rejected()
        now = _signature(folder, rejected)
        if now != seen or (rejected and waited >= RETRY_SECONDS):
            seen, waited = now, 0.0
            try:
                await reload()
            except Exception:
                log.exception("reloading failed; still serving the previous configuration")


def _signature(folder: Path, every_file: bool) -> tuple[object, ...]:
    """Return a value that changes with the folder: path, inode, size and time of its files.

    A build writes the manifest last, so the manifest alone is enough unless the folder was rejected.
    """
    if not every_file:
        return (_stamp(folder / "manifest.json"),)
    with contextlib.suppress(OSError):
        return tuple(_stamp(file) for file in sorted(folder.rglob("*.json")))
    return ()


def _stamp(file: Path) -> tuple[object, ...]:
    try:
        found = file.stat()
    except OSError:
        return (str(file), None)
    return (str(file), found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)
