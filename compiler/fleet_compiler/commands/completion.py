"""``fleet completion``: print a shell completion script."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from fleet_runtime.commands.help_epilog import epilog

SHELLS = ("bash", "zsh", "fish")
VARIABLE = "_FLEET_COMPLETE"
"""The variable that click's completion scripts set."""


@click.command(
    epilog=epilog(
        "fleet completion bash > ~/.local/share/bash-completion/completions/fleet",
        "fleet completion zsh > ~/.zfunc/_fleet   # with ~/.zfunc in fpath",
        "fleet completion fish > ~/.config/fish/completions/fleet.fish",
        exits={0: "success", 2: "usage error"},
    ),
)
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the completion script for SHELL.

    It completes commands, options and diagnostic codes, and the providers, model ids, roles and surfaces of
    the latest build.
    """
    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(ctx.find_root().command, {}, "fleet", VARIABLE).source())
