"""The end of a command's help: examples that can be pasted, and its exit codes."""

from __future__ import annotations

from collections.abc import Mapping

GATEWAY_EXITS = {
    0: "success",
    1: "the gateway rejected the request",
    2: "usage error",
    4: "the gateway did not respond",
}
"""The exit codes of a command that sends requests to a gateway."""


def epilog(*examples: str, exits: Mapping[int, str]) -> str:
    """Return the epilog of a click command, in which click keeps every line break.

    `examples` are command lines, each with an optional comment after three spaces; `exits` maps exit codes to
    their meaning.
    """
    lines = "\n".join(f"  {example}" for example in examples)
    codes = "\n".join(f"  {code}  {meaning}" for code, meaning in sorted(exits.items()))
    return f"\b\nExamples:\n{lines}\n\n\b\nExit codes:\n{codes}"
