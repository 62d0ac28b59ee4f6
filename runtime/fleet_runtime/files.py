"""Read and replace the files that a person or an artifact names.

fleet.yaml, fleet.lock, generated/, key files and certificate authorities may turn out to be a named pipe
(which would block forever), a device, a directory, or endless.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path

from fleet_runtime.text import count

MAX_CONFIG = 1024 * 1024
MAX_KEY = 64 * 1024
MAX_CA = 16 * 1024 * 1024
MAX_ARTIFACT = 256 * 1024 * 1024
"""Bytes of a fleet.yaml, a key file, a file of certificates, and a generated file or fleet.lock."""

_KINDS = (
    (stat.S_ISFIFO, "is a named pipe, not a regular file"),
    (stat.S_ISSOCK, "is a socket, not a regular file"),
    (stat.S_ISCHR, "is a device, not a regular file"),
    (stat.S_ISBLK, "is a device, not a regular file"),
)
_REASONS = {
    errno.ENOENT: "does not exist",
    errno.ENOTDIR: "does not exist: a part of its path is not a directory",
    errno.EISDIR: "is a directory, not a file",
    errno.EACCES: "cannot be read: permission denied",
    errno.EPERM: "cannot be read: permission denied",
    errno.ELOOP: "cannot be read: its symbolic links form a loop",
    errno.ENAMETOOLONG: "cannot be read: its name is too long",
}
_FLAGS = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)


class UnreadableFileError(OSError):
    """A file exists but is not read; `strerror` is the reason, to follow its name in a sentence."""

    def __init__(self, reason: str, path: str | os.PathLike[str]) -> None:
        super().__init__(errno.EINVAL, reason, os.fspath(path))


class OversizedFileError(UnreadableFileError):
    """A file is larger than its reader allows."""


def read_file(path: Path, limit: int) -> bytes:
    """Return the bytes of a regular file of at most `limit` bytes; never block, never read more than that.

    Links are followed. Raises `UnreadableFileError` for anything but a regular file and for a name that
    no file can have, `OversizedFileError` for a larger one, and otherwise the system's own OSError
    (FileNotFoundError, …); `unreadable_reason` puts any of them into words.
    """
    try:
        _require_regular(path.stat(), path)  # opening a device may already do something
        descriptor = os.open(path, _FLAGS)
    except ValueError:
        raise UnreadableFileError("cannot be read: no file can have this name", path) from None
    with os.fdopen(descriptor, "rb") as file:
        _require_regular(os.fstat(descriptor), path)  # it may have been replaced meanwhile
        data = file.read(limit + 1)
    if len(data) > limit:
        raise OversizedFileError(f"is larger than {_size(limit)}", path)
    return data


def read_text(path: Path, limit: int) -> str:
    """Return the text of a UTF-8 file, read by `read_file`; raises `UnreadableFileError` if it is not
    UTF-8."""
    try:
        return read_file(path, limit).decode("utf-8")
    except UnicodeDecodeError:
        raise UnreadableFileError("is not UTF-8 text", path) from None


def replace_file(path: Path, data: bytes, *, mode: int = 0o666) -> None:
    """Replace a file, or the target of a link, atomically; an existing file keeps its permissions and owner.

    `mode` is that of a new one, less the umask. Raises OSError as `read_file` does, with the old file intact
    and nothing left behind.
    """
    target = Path(os.path.realpath(path))
    new = target.with_name(f".fleet-{os.getpid()}.new")
    status: os.stat_result | None = None
    with suppress(FileNotFoundError):
        status = target.stat()
        _require_regular(status, path)
    try:
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, mode)
        with os.fdopen(descriptor, "wb") as file:
            if status is not None:
                copy_access(descriptor, status)
            file.write(data)
            file.flush()
            os.fsync(descriptor)
        new.replace(target)
    except BaseException:
        new.unlink(missing_ok=True)
        raise


def copy_access(descriptor: int, status: os.stat_result) -> None:
    """Give an open file the permissions of another, and its owner and group as far as this user may: a
    member of a group may keep the group of a file that someone else owns."""
    for owner in (status.st_uid, -1):
        with suppress(OSError):  # EPERM; EINVAL for an id that a container does not have
            os.fchown(descriptor, owner, status.st_gid)
            break
    os.fchmod(descriptor, stat.S_IMODE(status.st_mode))


def read_ca(path: Path) -> str:
    """Return the certificates of a `ca_file` as the `cadata` of ssl; raises OSError as `read_file` does."""
    text = read_file(path, MAX_CA).decode("ascii", "ignore")  # comments may be in any encoding
    if "-----BEGIN" not in text:  # to ssl, empty `cadata` means the system's authorities
        raise UnreadableFileError("does not contain a certificate in PEM format", path)
    return text


def unreadable_reason(error: OSError) -> str:
    """Return why a file cannot be read, to follow its name in a sentence: ``does not exist``."""
    if isinstance(error, UnreadableFileError):
        return str(error.strerror)
    known = _REASONS.get(error.errno or 0)
    return known or f"cannot be read: {(error.strerror or type(error).__name__).lower()}"


def resolve_path(root: Path, path: str) -> Path:
    """Resolve a path of fleet.yaml: ``~`` is the home folder, other paths are relative to `root`.

    Raises `UnreadableFileError` for the home folder of an unknown user.
    """
    if not path.startswith("~"):
        return root / path
    try:
        return root / Path(path).expanduser()
    except RuntimeError:
        raise UnreadableFileError("cannot be found: this home folder is not known", path) from None


def _require_regular(status: os.stat_result, path: Path) -> None:
    if stat.S_ISREG(status.st_mode):
        return
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(path))
    reasons = [reason for is_kind, reason in _KINDS if is_kind(status.st_mode)]
    raise UnreadableFileError(next(iter(reasons), "is not a regular file"), path)


def _size(limit: int) -> str:
    return f"{limit // 1024**2} MiB" if limit >= 1024**2 else count(limit, "byte")
