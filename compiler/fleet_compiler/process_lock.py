"""One fleet command at a time writes beside one fleet.yaml; the next one waits."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def hold_process_lock(project: Path, waiting: Callable[[], None]) -> Iterator[None]:
    """Hold the folder `project` until the block ends; `waiting` is called once if somebody else has it.

    The lock is on the folder itself, so that nothing is left behind, a read-only folder can be held, and
    the end of a process by any signal gives it back. Where a file system has no locks, and in a folder that
    cannot be read, there is no turn.
    """
    try:
        descriptor = os.open(project, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        yield
        return
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting()
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except OSError:
            pass
        yield
    finally:
        os.close(descriptor)
