"""Let one fleet command at a time write next to a fleet.yaml; others wait."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def hold_process_lock(folder: Path, on_wait: Callable[[], None]) -> Iterator[None]:
    """Lock `folder` until the block ends; `on_wait` is called once if another process holds it.

    The lock is on the folder itself, so that no file is left behind, a read-only folder can be locked, and
    the end of a process by any signal releases it. Without locks in the file system, and in a folder that
    cannot be read, the block runs unlocked.
    """
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        yield
        return
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            on_wait()
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except OSError:
            pass
        yield
    finally:
        os.close(descriptor)
