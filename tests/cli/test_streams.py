"""Standard streams that are closed or full: one line where it can be said, exit code 1, no traceback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

FULL = "error: cannot write to standard output: no space left on device\n"
CLOSED = "error: cannot write to standard output: bad file descriptor\n"


def run(folder: Path, line: str) -> tuple[int, str, str]:
    """Exit code, output and messages of ``fleet`` with the arguments and redirections of `line`."""
    command = f'"{sys.executable}" -m fleet_compiler {line}'
    ran = subprocess.run(["/bin/sh", "-c", command], cwd=folder, capture_output=True, text=True, check=False)
    return ran.returncode, ran.stdout, ran.stderr


@pytest.mark.parametrize("command", ["--help", "--version", "validate", "schema", "build --frozen"])
def test_a_full_output_is_reported(project: Path, command: str) -> None:
    assert run(project, f"{command} >/dev/full") == (1, "", FULL)


@pytest.mark.parametrize("command", ["--help", "models", "build --frozen"])
def test_a_closed_output_is_reported(project: Path, command: str) -> None:
    exit_code, output, messages = run(project, f"{command} >&-")
    assert (exit_code, output, messages.splitlines(keepends=True)[-1]) == (1, "", CLOSED)


def test_a_command_without_output_needs_no_open_stream(project: Path) -> None:
    run(project, "build --frozen")
    assert run(project, "diff >&-") == (0, "", "")


@pytest.mark.parametrize("redirection", ["2>/dev/full", ">/dev/full 2>/dev/full", ">&- 2>&-"])
def test_an_error_that_cannot_be_printed_is_only_an_exit_code(project: Path, redirection: str) -> None:
    assert run(project, f"validate -f gone.yaml {redirection}") == (1, "", "")


def test_a_closed_error_stream_does_not_stop_a_command(project: Path) -> None:
    code, out, _ = run(project, "validate 2>&-")
    assert (code, out) == (0, "fleet.yaml is valid: 1 provider, 2 surfaces\n")


def test_a_closed_input_cannot_be_read(project: Path) -> None:
    code, _, err = run(project, "validate - <&-")
    assert code == 1
    assert err.startswith("error[F001]: '<stdin>' cannot be read: bad file descriptor\n")
    assert run(project, "validate <&-")[0] == 0
    for command in ("ask desk/qwen3-8b -", "favorites import -"):
        assert run(project, f"{command} <&-") == (
            *(1, ""),
            "error: standard input cannot be read: bad file descriptor\n",
        )


@pytest.mark.parametrize("command", ["--help", "schema"])
def test_a_reader_that_left_is_not_an_error(project: Path, command: str) -> None:
    """The pipe is closed before the command begins to write."""
    reading, writing = os.pipe()
    os.close(reading)
    line = [sys.executable, "-m", "fleet_compiler", command]
    ran = subprocess.run(line, stdout=writing, stderr=subprocess.PIPE, cwd=project, check=False)
    os.close(writing)
    assert (ran.returncode, ran.stderr) == (0, b"")


@pytest.mark.parametrize(
    ("line", "coloured"),
    [("", False), ("FORCE_COLOR=1", True), ("FORCE_COLOR=1 NO_COLOR=1", False), ("FORCE_COLOR= ", False)],
)
@pytest.mark.parametrize("command", ["nonsense", "validate -f gone.yaml", "models"])
def test_one_rule_says_whether_every_command_is_coloured(
    project: Path, line: str, coloured: bool, command: str
) -> None:
    """Errors of the command line, diagnostics and results alike."""
    ran = subprocess.run(
        ["/bin/sh", "-c", f'{line} "{sys.executable}" -m fleet_compiler {command}'],
        cwd=project,
        env={name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ("\x1b[" in ran.stdout + ran.stderr) is coloured


@pytest.mark.parametrize(
    "words", ["EVIL", "lock EVIL", "explain EVIL", "models --surface EVIL", "build --EVIL"]
)
def test_what_is_not_visible_is_shown_as_an_escape(project: Path, words: str) -> None:
    evil = "\"$(printf 'a\\033[2J\\302\\233b')\""
    code, out, err = run(project, words.replace("EVIL", evil))
    assert (code, out) == (2, "")
    assert "a\\x1b[2J\\x9bb" in err
    assert all(character.isprintable() or character == "\n" for character in err)


@pytest.mark.parametrize("_", range(10))
def test_an_interrupt_writes_no_line_twice(_: int) -> None:
    """The interrupt comes when a line was just read: the writer may not be back from the system yet."""
    script = """
import itertools
from fleet_compiler.commands.streams import run_guarded
import click

def count():
    for number in itertools.count():
        click.echo(number)

try:
    run_guarded(count)
except KeyboardInterrupt:
    pass
"""
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, bufsize=0)
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    lines = process.communicate(timeout=30)[0].decode().split()
    assert lines == [str(number) for number in range(1, len(lines) + 1)]
