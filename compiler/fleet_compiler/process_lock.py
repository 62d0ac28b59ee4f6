"""Let one fleet command at a time write next to a fleet.yaml; others wait."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path


@contextmanager
def hold_process_lock(folders: Iterable[Path], on_wait: Callable[[], None]) -> Iterator[None]:
    """Lock `folders` until the block ends; `on_wait` is called once if another process holds one of them.

    The lock is on the folder itself, so that no file is left behind, a read-only folder can be locked, and
    the end of a process by any signal releases it. Without locks in the file system, and in a folder that
    cannot be read, the block runs unlocked. Folders are locked in the order of their paths, so that two
    processes never wait for each other.
    """
    waited = False
    with ExitStack() as stack:
        for folder in sorted({os.path.realpath(folder) for folder in folders}):
            try:
                descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            except OSError:
                continue
            stack.callback(os.close, descriptor)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if not waited:
                    on_wait()
                waited = True
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            except OSError:
                pass
        yield
