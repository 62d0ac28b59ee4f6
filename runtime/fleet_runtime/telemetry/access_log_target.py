"""The target of the access log: none, standard error, or a file."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fleet_runtime.edge.listen_address import CannotServeError
from fleet_runtime.telemetry.access_log import AccessLog, LineSink, LogFormat
from fleet_runtime.telemetry.log_writer import LogWriter, open_log

FORMS: Final[dict[str, LogFormat]] = {"text": "text", "json": "json"}

log = logging.getLogger("fleet.log")


@dataclass(frozen=True, slots=True)
class AccessLogTarget:
    """`access_log` is None if no request is logged; `writer` writes to `file`, if it is one."""

    access_log: AccessLog | None
    writer: LogWriter | None = None
    file: Path = Path()

    @property
    def dropped(self) -> int:
        """Return the number of lines that were not written."""
        return 0 if self.writer is None else self.writer.dropped

    def reopen(self) -> None:
        """Open the file again after log rotation."""
        if self.writer is not None:
            try:
                self.writer.reopen(self.file)
            except OSError as error:
                log.error("cannot reopen the access log '%s': %s", self.file, error.strerror)


@contextlib.contextmanager
def access_log_target(
    where: str | None, form: LogFormat, sample: int, write: LineSink
) -> Iterator[AccessLogTarget]:
    """The target that `where` names: ``off``, ``text`` or ``json`` for `write`, else a file in `form`; None
    is `write` in `form`. Raises `CannotServeError` for a file that cannot be written."""
    if where == "off":
        yield AccessLogTarget(None)
    elif where is None or where in FORMS:
        yield AccessLogTarget(AccessLog(FORMS.get(where or form, form), write, sample))
    else:
        file = Path(where)
        try:
            fd = open_log(file)
        except OSError as error:
            raise CannotServeError(f"cannot write the access log to '{where}': {error.strerror}") from None
        try:
            with LogWriter(fd, f"'{where}'") as writer:
                yield AccessLogTarget(AccessLog(form, writer, sample), writer, file)
        finally:
            os.close(fd)
