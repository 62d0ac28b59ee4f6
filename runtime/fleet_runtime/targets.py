"""Find the gateway URL or fleet.yaml of a command if no option names one.

The first of these that is set: ``$FLEET_URL`` (only for a gateway), ``$FLEET_CONFIG``, the nearest fleet.yaml
in the current folder or one above it, and the default that ``fleet use`` keeps in the user's configuration
folder (``~/.config/fleet/use.json`` on Linux).
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, TypeAlias

import click
import msgspec

from fleet_runtime.files import read_file, replace_file, unreadable_reason
from fleet_runtime.user_folders import NoHomeError, config_folder

URL_VARIABLE = "FLEET_URL"
CONFIG_VARIABLE = "FLEET_CONFIG"
FLEET_FILE = "fleet.yaml"
GENERATED = "generated"
MAX_DEFAULT = 64 * 1024

Source: TypeAlias = Literal["$FLEET_URL", "$FLEET_CONFIG", "nearest fleet.yaml", "fleet use"]


class Target(msgspec.Struct, frozen=True):
    """A gateway by its `url`, or a fleet by its `config`; the other is None. `source` is where it was set."""

    source: Source
    url: str | None = None
    config: Path | None = None

    @property
    def generated(self) -> Path | None:
        """The folder of generated files next to fleet.yaml."""
        return None if self.config is None else self.config.parent / GENERATED


class UserDefaultError(click.ClickException):
    """The user-wide default cannot be read, used or written."""

    exit_code = 2


def find_gateway(environ: Mapping[str, str]) -> Target | None:
    """Return the target that determines the gateway; raises `UserDefaultError`."""
    if url := environ.get(URL_VARIABLE):
        return Target("$FLEET_URL", url=url)
    return find_config(environ) or read_default()


def find_config(environ: Mapping[str, str]) -> Target | None:
    """Return the target with a fleet.yaml, which may not exist if a variable names it; raises
    `UserDefaultError`."""
    if named := environ.get(CONFIG_VARIABLE):
        return Target("$FLEET_CONFIG", config=Path(named))
    if (nearest := find_above(FLEET_FILE)) is not None:
        return Target("nearest fleet.yaml", config=nearest)
    default = read_default()
    if default is None or default.config is None:
        return None
    if not default.config.exists():
        raise UserDefaultError(
            f"'{default.config}', the default set by `fleet use`, does not exist: set another one, or "
            "remove it with `fleet use --forget`"
        )
    return default


def find_above(name: str) -> Path | None:
    """Return the nearest `name` in the current folder or one above it."""
    here = Path.cwd()
    for folder in (here, *here.parents):
        if os.path.lexists(folder / name):
            return folder / name
    return None


def default_file() -> Path:
    """Return where ``fleet use`` keeps the default of this user; raises `NoHomeError`."""
    return config_folder() / "use.json"


def read_default() -> Target | None:
    """Return the default of this user; raises `UserDefaultError`."""
    try:
        path = default_file()
    except NoHomeError:
        return None
    try:
        stored = json.loads(read_file(path, MAX_DEFAULT))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise UserDefaultError(f"'{path}' {unreadable_reason(error)}") from None
    except (ValueError, RecursionError):
        stored = None
    match stored:
        case {"url": str(url)}:
            return Target("fleet use", url=url)
        case {"config": str(config)}:
            return Target("fleet use", config=Path(config))
    raise UserDefaultError(f"'{path}' was not written by `fleet use`: remove it with `fleet use --forget`")


def write_default(default: Target | None) -> None:
    """Store `default` for this user, readable by no other user, or remove the current one; raises
    `UserDefaultError` and `NoHomeError`."""
    path = default_file()
    try:
        if default is None:
            path.unlink(missing_ok=True)
            return
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        stored = {"url": default.url} if default.url is not None else {"config": str(default.config)}
        replace_file(path, f"{json.dumps(stored)}\n".encode(), mode=0o600)
    except OSError as error:
        raise UserDefaultError(f"cannot write '{path}': {(error.strerror or '').lower()}") from None
