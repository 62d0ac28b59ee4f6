"""The ``fleet`` command: a lazy group, so that help and each command load only what they need."""

from __future__ import annotations

import gc
import sys
import traceback
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, NoReturn

import click

from fleet_compiler.commands.streams import BrokenStreamError, run_guarded
from fleet_compiler.commands.terminal import color_choice, say_error, verbosity_options

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a command's code is, its line in the list of commands, and whether it shows progress."""

    target: str
    summary: str
    has_progress: bool = False


COMMANDS = {
    "init": Entry("fleet_compiler.commands.init:init", "Write a small fleet.yaml to start from.", True),
    "validate": Entry("fleet_compiler.commands.validate:validate", "Check fleet.yaml."),
    "build": Entry(
        "fleet_compiler.commands.build:build", "Write generated/ from fleet.yaml and fleet.lock.", True
    ),
    "lock": Entry("fleet_compiler.commands.lock:lock", "Probe the providers and refresh fleet.lock.", True),
    "models": Entry("fleet_compiler.commands.models:models", "List all models by provider."),
    "add": Entry("fleet_compiler.commands.add:add", "Add a provider to fleet.yaml.", True),
    "move": Entry(
        "fleet_compiler.commands.move:move", "Give a provider another address in fleet.yaml.", True
    ),
    "rename": Entry(
        "fleet_compiler.commands.rename:rename", "Rename a provider in fleet.yaml and fleet.lock.", True
    ),
    "remove": Entry("fleet_compiler.commands.remove:remove", "Remove a provider from fleet.yaml.", True),
    "config": Entry(
        "fleet_compiler.commands.config:config", "Print every setting in effect, and where it comes from."
    ),
    "diff": Entry("fleet_compiler.commands.diff:diff", "Show what a build would change."),
    "resolve": Entry(
        "fleet_compiler.commands.resolve:resolve", "Show which provider a model name resolves to."
    ),
    "explain": Entry("fleet_compiler.commands.explain:explain", "Explain the code of an error or warning."),
    "schema": Entry("fleet_compiler.commands.schema:schema", "Print a JSON Schema."),
    "up": Entry(
        "fleet_compiler.commands.up:up", "Build, run the gateway, and build again after changes.", True
    ),
    "serve": Entry("fleet_runtime.commands.serve:serve", "Run the gateway."),
    "status": Entry("fleet_runtime.commands.status:status", "Show the providers of a running gateway."),
    "ps": Entry("fleet_runtime.commands.ps:ps", "Show which models are loaded, and what runs on them."),
    "activity": Entry(
        "fleet_runtime.commands.activity:activity", "Show the requests through a running gateway."
    ),
    "top": Entry("fleet_runtime.commands.top:top", "Show what the fleet does now, as it changes."),
    "load": Entry("fleet_runtime.commands.load:load", "Have a provider load a model."),
    "unload": Entry("fleet_runtime.commands.load:unload", "Have a provider unload a model."),
    "speed": Entry("fleet_runtime.commands.speed:speed", "Show how fast models are on each provider."),
    "bench": Entry("fleet_compiler.commands.bench:bench", "Measure models on purpose."),
    "wake": Entry("fleet_runtime.commands.wake:wake", "Wake a provider that sleeps."),
    "doctor": Entry("fleet_runtime.commands.doctor:doctor", "Find what is wrong in a running fleet."),
    "favorites": Entry(
        "fleet_runtime.commands.favorites:favorites", "Show and change the favorites of a running gateway."
    ),
    "use": Entry(
        "fleet_runtime.commands.use:use", "Choose the fleet or gateway that commands use everywhere."
    ),
    "ask": Entry("fleet_compiler.commands.ask:ask", "Ask a model one question through the gateway."),
    "run": Entry("fleet_compiler.commands.run:run", "Start a client with its generated configuration."),
    "env": Entry("fleet_compiler.commands.env:env", "Print the environment that configures a client."),
    "connect": Entry(
        "fleet_compiler.commands.connect:connect", "Print what to enter in a client: URL, key, models."
    ),
    "completion": Entry(
        "fleet_compiler.commands.completion:completion", "Print what completes commands in a shell."
    ),
    "demo": Entry("fleet_runtime.commands.demo:demo", "Try fleet with simulated providers."),
}

POINTERS = {
    "list": "`fleet models` lists all models",
    "ls": "`fleet models` lists all models",
    "show": "`fleet models` lists all models",
    "pull": "fleet downloads no models: add one on its provider's own server, then run `fleet lock`",
    "chat": "`fleet ask ID TEXT` asks one question, `fleet run opencode` starts a chat client",
    "start": "`fleet up` builds and runs the gateway",
    "check": "`fleet validate` checks fleet.yaml",
    "lint": "`fleet validate` checks fleet.yaml",
    "rm": "`fleet remove NAME` removes a provider",
    "mv": "`fleet rename OLD NEW` renames a provider, `fleet move NAME URL` gives it another address",
    "refresh": "`fleet lock` probes the providers",
    "help": "`fleet --help` and `fleet COMMAND --help` show help",
    "version": "`fleet --version` prints the version",
}
"""Where to find what other tools call by another name."""

GC_THRESHOLD = 50_000
"""Allocations between two collections: importing makes many objects and drops none of them."""

EXIT_CODES = {
    0: "success",
    1: "the configuration is invalid, or a request or a write failed",
    2: "usage error",
    3: "generated files or fleet.lock are out of date",
    4: "a required provider or the gateway did not respond",
    70: "internal error",
    130: "interrupted with Ctrl-C",
}


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called or their help is shown."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        module, _, name = entry.target.partition(":")
        command: click.Command = getattr(import_module(module), name)
        command.short_help = entry.summary
        if entry.has_progress and not any(each.name == "quiet" for each in command.params):
            command.params += verbosity_options()
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if not ctx.resilient_parsing and args[0] not in COMMANDS and not args[0].startswith("-"):
            ctx.fail(f"no command '{args[0]}'; {_hint(args[0])}")
        return super().resolve_command(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete the names of commands without importing any of them."""
        from click.shell_completion import CompletionItem

        if incomplete.startswith("-"):
            return super(click.Group, self).shell_complete(ctx, incomplete)
        return [
            CompletionItem(name, help=entry.summary)
            for name, entry in COMMANDS.items()
            if name.startswith(incomplete)
        ]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.summary) for name, entry in COMMANDS.items()])

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Examples"):
            formatter.write_text("fleet demo")
            formatter.write_text("fleet init && fleet up")
            formatter.write_text("fleet validate && fleet build && fleet serve")
        with formatter.section("Exit codes"):
            formatter.write_dl([(str(code), meaning) for code, meaning in EXIT_CODES.items()])


def _hint(name: str) -> str:
    """Return what somebody who wrote an unknown command may have meant."""
    if name in POINTERS:
        return POINTERS[name]
    from fleet_compiler.diagnostics.text import nearest

    near = nearest(name, COMMANDS)
    return f"did you mean '{near}'?" if near else f"the commands are {', '.join(COMMANDS)}"


def _version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        from importlib.metadata import version

        click.echo(f"fleet {version('boofleet')}")
        ctx.exit()


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "-V",
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_version,
    help="Print the version.",
)
def fleet() -> None:
    """Compile one fleet.yaml into a gateway, and reach every local model by one id from every client."""


def main() -> NoReturn:
    """Run the command line and end the process with one of `EXIT_CODES`."""
    gc.set_threshold(GC_THRESHOLD)
    try:
        code = run_guarded(_run)
    except KeyboardInterrupt:
        code = 130
    sys.exit(code)


def _show(error: click.ClickException) -> None:
    """Print a click error in the form of fleet's own; a bare command that wants its help text gets it."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()
        return
    message = " ".join(error.format_message().split()).removesuffix(".")
    if isinstance(error, click.UsageError) and error.ctx is not None:
        click.echo(f"{error.ctx.get_usage()}\ntry '{error.ctx.command_path} --help' for help\n", err=True)
    if message[1:2].islower():
        message = message[0].lower() + message[1:]
    say_error(message)


def _run() -> int:
    try:
        code = fleet.main(prog_name="fleet", standalone_mode=False, color=color_choice())
        return code if isinstance(code, int) else 0
    except click.Abort:
        return 130
    except click.ClickException as error:
        _show(error)
        return error.exit_code
    except BrokenStreamError:
        raise
    except Exception as error:
        from fleet_compiler.commands.terminal import show_failure
        from fleet_compiler.diagnostics.errors import FleetError

        if isinstance(error, FleetError):
            show_failure(error)
            return error.exit_code
        if isinstance(error, OSError) and not _has_folder():
            click.echo("error: the current folder no longer exists: change to another one", err=True)
            return 1
        traceback.print_exc()
        click.echo("error: this is a bug in fleet: please report it with the lines above", err=True)
        return 70


def _has_folder() -> bool:
    """Return whether the current folder exists."""
    from pathlib import Path

    try:
        Path.cwd()
    except OSError:
        return False
    return True
