"""Ctrl-C ends a block, wherever in the code its exception is raised."""

from __future__ import annotations

import signal
import threading
import weakref
from collections.abc import Callable

import pytest

from fleet_runtime.interrupts import certain_interrupt


class Thing:
    """Something that a weak reference can refer to."""


def interrupt_where_python_drops_it() -> None:
    thing = Thing()
    reference = weakref.ref(thing, lambda _: signal.raise_signal(signal.SIGINT))
    del thing
    assert reference() is None
    threading.Event().wait(20)


def interrupt_a_holder_of_a_lock() -> None:
    """As in an HTTP client, what cleans up needs the lock that was taken."""
    lock = threading.Lock()
    try:
        lock.acquire()
        signal.raise_signal(signal.SIGINT)
    finally:
        lock.acquire(timeout=20)


@pytest.mark.parametrize("interrupt", [interrupt_where_python_drops_it, interrupt_a_holder_of_a_lock])
def test_an_interrupt_that_is_lost_ends_the_block(
    interrupt: Callable[[], None], capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(KeyboardInterrupt), certain_interrupt():
        interrupt()
    assert capfd.readouterr().err == ""


def test_handlers_and_timer_are_as_before_after_an_interrupt() -> None:
    before = signal.getsignal(signal.SIGALRM)
    with pytest.raises(KeyboardInterrupt), certain_interrupt():
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert signal.getsignal(signal.SIGALRM) is before
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_an_ignored_ctrl_c_stays_ignored() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with certain_interrupt():
            signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def test_another_thread_has_no_handlers() -> None:
    outcome: list[object] = []

    def run() -> None:
        with certain_interrupt():
            outcome.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert outcome == [signal.default_int_handler]
