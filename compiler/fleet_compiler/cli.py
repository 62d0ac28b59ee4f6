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
    """A command's import path, its line in the list of commands, and whether it shows progress."""

    target: str
    summary: str
    has_progress: bool = False


COMMANDS = {
    "init": Entry("fleet_compiler.commands.init:init", "Write a first fleet.yaml.", True),
    "validate": Entry("fleet_compiler.commands.validate:validate", "Check fleet.yaml."),
    "build": Entry(
        "fleet_compiler.commands.build:build", "Write generated/ from fleet.yaml and fleet.lock.", True
    ),
    "lock": Entry("fleet_compiler.commands.lock:lock", "Probe the providers and update fleet.lock.", True),
    "models": Entry("fleet_compiler.commands.models:models", "List all models by provider."),
    "add": Entry("fleet_compiler.commands.add:add", "Add a provider to fleet.yaml.", True),
    "move": Entry(
        "fleet_compiler.commands.move:move", "Change the address of a provider in fleet.yaml.", True
    ),
    "rename": Entry(
        "fleet_compiler.commands.rename:rename", "Rename a provider in fleet.yaml and fleet.lock.", True
    ),
    "remove": Entry("fleet_compiler.commands.remove:remove", "Remove a provider from fleet.yaml.", True),
    "config": Entry("fleet_compiler.commands.config:config", "Print every setting in effect and its source."),
    "diff": Entry("fleet_compiler.commands.diff:diff", "Show what a build would change."),
    "resolve": Entry(
        "fleet_compiler.commands.resolve:resolve", "Show which provider a model name resolves to."
    ),
    "explain": Entry("fleet_compiler.commands.explain:explain", "Explain the code of an error or warning."),
    "schema": Entry("fleet_compiler.commands.schema:schema", "Print a JSON Schema."),
    "up": Entry("fleet_compiler.commands.up:up", "Build, run the gateway, and rebuild after changes.", True),
    "serve": Entry("fleet_runtime.commands.serve:serve", "Run the gateway."),
    "status": Entry("fleet_runtime.commands.status:status", "Show the status of every provider."),
    "ps": Entry("fleet_runtime.commands.ps:ps", "Show loaded models and their running requests."),
    "activity": Entry("fleet_runtime.commands.activity:activity", "Show running and finished requests."),
    "top": Entry("fleet_runtime.commands.top:top", "Show providers and requests live."),
    "load": Entry("fleet_runtime.commands.load:load", "Load a model on its provider."),
    "unload": Entry("fleet_runtime.commands.load:unload", "Unload a model on its provider."),
    "speed": Entry(
        "fleet_runtime.commands.speed:speed", "Compare the speed of models on different providers."
    ),
    "bench": Entry("fleet_compiler.commands.bench:bench", "Measure the speed of models with test requests."),
    "wake": Entry("fleet_runtime.commands.wake:wake", "Wake a sleeping provider."),
    "doctor": Entry("fleet_runtime.commands.doctor:doctor", "Find problems in a running fleet."),
    "favorites": Entry("fleet_runtime.commands.favorites:favorites", "Show and change the favorites."),
    "use": Entry("fleet_runtime.commands.use:use", "Set the default fleet.yaml or gateway for all commands."),
    "ask": Entry("fleet_compiler.commands.ask:ask", "Ask a model one question through the gateway."),
    "run": Entry("fleet_compiler.commands.run:run", "Start a client with its generated configuration."),
    "env": Entry("fleet_compiler.commands.env:env", "Print the shell commands that configure a client."),
    "connect": Entry(
        "fleet_compiler.commands.connect:connect", "Print the URL, key and models to enter in a client."
    ),
    "completion": Entry("fleet_compiler.commands.completion:completion", "Print a shell completion script."),
    "demo": Entry("fleet_runtime.commands.demo:demo", "Try fleet with simulated providers."),
}

SECTIONS = {
    "Configure": ("init", "validate", "build", "lock", "diff", "config", "add", "move", "rename", "remove"),
    "Run": ("up", "serve", "demo"),
    "Observe": ("status", "top", "ps", "activity", "speed", "bench", "doctor"),
    "Operate": ("load", "unload", "wake"),
    "Use models": ("models", "resolve", "ask", "favorites", "run", "env", "connect"),
    "More": ("explain", "schema", "use", "completion"),
}
"""The commands by section, in the order of the help text."""

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
"""Maps command names of other tools to those of fleet."""

EXIT_CODES = {
    0: "success",
    1: "the configuration is invalid, or a request or write failed",
    2: "usage error",
    3: "generated files or fleet.lock are out of date",
    4: "a required provider or the gateway did not respond",
    70: "internal error",
    130: "interrupted with Ctrl-C",
}


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called or their help is shown."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [name for names in SECTIONS.values() for name in names]

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
        width = max(map(len, COMMANDS))
        with formatter.section("Commands"):
            for number, (heading, names) in enumerate(SECTIONS.items()):
                if number:
                    formatter.write_paragraph()
                formatter.write_text(heading)
                with formatter.indentation():
                    formatter.write_dl([(name.ljust(width), COMMANDS[name].summary) for name in names])

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Examples"):
            formatter.write_text("fleet demo")
            formatter.write_text("fleet init && fleet up")
            formatter.write_text("fleet validate && fleet build && fleet serve")
        with formatter.section("Exit codes"):
            formatter.write_dl([(str(code), meaning) for code, meaning in EXIT_CODES.items()])


def _hint(name: str) -> str:
    """Return a suggestion for an unknown command."""
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
    """One gateway for all your language model servers, described by one fleet.yaml."""


def main() -> NoReturn:
    """Run the command line and end the process with one of `EXIT_CODES`."""
    try:
        code = run_guarded(_run)
    except KeyboardInterrupt:
        code = 130
    gc.freeze()  # an interpreter that ends would search all objects for garbage: a sixth of `fleet validate`
    sys.exit(code)


def _show(error: click.ClickException) -> None:
    """Print a click error in fleet's format, or the help text that a bare group asks for."""
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
