"""Let one Ctrl-C end a block, even if Python loses the exception for it.

`KeyboardInterrupt` can be raised at any instruction of the main thread. In the callback of a weak reference,
Python reports and drops it. Between taking the lock of an HTTP client's pool and the code that releases it,
the lock stays taken, and the client waits for it forever when it is closed.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

REPEAT_SECONDS = 0.2


@contextmanager
def certain_interrupt() -> Iterator[None]:
    """From a Ctrl-C in the block to its end, raise `KeyboardInterrupt` every `REPEAT_SECONDS`.

    Nothing changes outside the main thread, and where Ctrl-C is ignored or has another handler.
    """
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    has_ended = False

    def interrupt(number: int, frame: FrameType | None) -> None:
        if not has_ended:
            signal.setitimer(signal.ITIMER_REAL, REPEAT_SECONDS)
            raise KeyboardInterrupt

    def report(lost: sys.UnraisableHookArgs) -> None:
        if not issubclass(lost.exc_type, KeyboardInterrupt):
            report_before(lost)

    report_before, sys.unraisablehook = sys.unraisablehook, report
    alarm_before = signal.signal(signal.SIGALRM, interrupt)
    signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        has_ended = True
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGALRM, alarm_before)
        sys.unraisablehook = report_before
