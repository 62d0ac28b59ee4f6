"""The folders of the user who runs fleet: settings, state, and the home folder.

A user may have none of them: a container's arbitrary user id without ``$HOME`` has no entry in /etc/passwd.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import click

APP = "fleet"


class NoHomeError(click.ClickException):
    """The user has no home folder; `variable` can name the required folder instead."""

    exit_code = 1

    def __init__(self, variable: str) -> None:
        super().__init__(f"this user has no home folder: set HOME or {variable}")


def config_folder() -> Path:
    """Return the folder of this user's settings (``~/.config/fleet`` on Linux); raises `NoHomeError`."""
    folder = Path(click.get_app_dir(APP))
    if folder.parts[:1] == ("~",):
        raise NoHomeError("XDG_CONFIG_HOME")
    return folder


def state_folder() -> Path:
    """Return the folder of this user's state (``~/.local/state/fleet`` on Linux); raises `NoHomeError`."""
    import platformdirs  # few commands need it

    try:
        folder = platformdirs.user_state_path(APP, appauthor=False)
    except RuntimeError:
        raise NoHomeError("XDG_STATE_HOME") from None
    if folder.parts[:1] == ("~",):  # platformdirs before 4.4
        raise NoHomeError("XDG_STATE_HOME")
    return folder


def folder_of_others(environ: Mapping[str, str], variable: str, below_home: str) -> Path:
    """Return the folder of another program's files: ``$variable``, by default `below_home`.

    Raises `NoHomeError`.
    """
    if named := environ.get(variable):
        return Path(named)
    try:
        home = Path(environ["HOME"]) if environ.get("HOME") else Path.home()
    except RuntimeError:
        raise NoHomeError(variable) from None
    return home / below_home
