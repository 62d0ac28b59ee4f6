"""Runs a fleet command once for each step at which it touches the disk, killed there with SIGKILL.

Arguments: a folder to copy, a folder for the copies, and the arguments of the command, which is run in each
copy. The last copy is that of a run that was not killed. Prints how many were.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fleet_compiler.commands.add
import fleet_compiler.commands.build
import fleet_compiler.commands.move
import fleet_compiler.commands.remove
import fleet_compiler.commands.rename  # noqa: F401 - loaded once, before the forks
from fleet_compiler.cli import main


def dying_at(step: int, function: Callable[..., Any], counted: list[None]) -> Callable[..., Any]:
    """`function`, which kills the process when it is called for the `step`-th time."""

    def call(*args: Any, **keywords: Any) -> Any:
        counted.append(None)
        if len(counted) == step:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*args, **keywords)

    return call


def is_killed(folder: Path, step: int, arguments: list[str]) -> bool:
    """Whether the command got to that step."""
    child = os.fork()
    if child:
        return os.WIFSIGNALED(os.waitpid(child, 0)[1])
    counted: list[None] = []
    os.fsync = dying_at(step, os.fsync, counted)
    os.replace = dying_at(step, os.replace, counted)
    os.unlink = dying_at(step, os.unlink, counted)
    os.chdir(folder)
    sys.argv = ["fleet", *arguments]
    with Path(os.devnull).open("w") as nowhere:
        sys.stdout = sys.stderr = nowhere
        main()
    os._exit(0)


def run(folder: Path, copies: Path, arguments: list[str]) -> int:
    step = 1
    while is_killed(Path(shutil.copytree(folder, copies / f"{step:03}")), step, arguments):
        step += 1
    return step - 1


sys.stdout.write(f"{run(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])}\n")
