"""What of a configuration's text no report may show: whatever could be a key, a token or a password."""

from __future__ import annotations

import re
from collections.abc import Iterable

from fleet_compiler.diagnostics.diagnostic import Span

_TOKEN = re.compile(
    r"\b(?:sk|pk|rk|hf|gsk|ghp|gho|xai|nvapi|tskey)[-_][A-Za-z0-9_-]{6,}|\bAIza[A-Za-z0-9_-]{8,}"
    r"|(?<=[Bb]earer )[^\s'\"]+"
)
_CREDENTIALS = re.compile(r"(?<=://)[^\s/]*(?=@)")
_SECRET_KEY = re.compile(
    r"""(?P<before>(?:^|[\s{,'"])(?:[\w-]*[_-])?(?:key|apikey|token|secret|password|passwd|authorization)['"]?\s*:)"""
    r"""(?P<value>\s.*|)$""",
    re.IGNORECASE,
)
_ENVIRONMENT_KEY = re.compile(
    r"""(?P<before>(?:^|[\s{,'"])(?:api_key_)?env['"]?\s*:)"""
    r"""(?!\s+[A-Za-z_][A-Za-z0-9_]*\s*(?:$|[,}#]))(?P<value>.*)$"""
)
_KEYS = re.compile(r"""(?P<before>(?:^|[\s{,'"])keys['"]?\s*:)(?P<value>.*)$""")
_REFERENCE = re.compile(
    r"""\s*(?:-\s|#|[\w"'-]+\s*:\s*(?:\{\s*)?(?:(?:env|file|surfaces)\b.*)?$|(?:env|file|surfaces)\s*:)"""
)
_INDENT = re.compile(r"[ ]*")


def redact(text: str) -> str:
    """`text` with what looks like a token, or like credentials in a URL, as asterisks of equal length."""
    return _CREDENTIALS.sub(_stars, _TOKEN.sub(_stars, text))


def redact_lines(text: str, secrets: Iterable[Span] | None) -> list[str]:
    """The lines of a configuration without its secrets; every character keeps its place.

    `secrets` are their places, None where nobody could say: then whatever follows a key that is named like
    a secret is hidden, rather too much than too little.
    """
    lines = text.split("\n")
    return [redact(line) for line in (_guessed(lines) if secrets is None else _known(lines, secrets))]


def _known(lines: list[str], secrets: Iterable[Span]) -> list[str]:
    for number, line in enumerate(lines):
        value, sign, comment = line.partition("#")
        if match := _SECRET_KEY.search(comment):
            lines[number] = value + sign + comment[: match.end("before")] + _stars_for(match["value"])
    for span in secrets:
        line = lines[span.line - 1]
        start, end = span.column - 1, span.end_column - 1
        lines[span.line - 1] = line[:start] + _stars_for(line[start:end]) + line[end:]
    return lines


def _guessed(lines: list[str]) -> list[str]:
    hidden_below: int | None = None
    keys_below: int | None = None
    for number, line in enumerate(lines):
        indent = len(_INDENT.match(line)[0]) if line.strip() else 10**6  # type: ignore[index]
        if hidden_below is not None and indent > hidden_below:
            lines[number] = _stars_for(line)
            continue
        hidden_below = None
        keys_below = keys_below if keys_below is not None and indent > keys_below else None
        if match := _SECRET_KEY.search(line) or _ENVIRONMENT_KEY.search(line):
            hidden_below = indent
            lines[number] = line[: match.end("before")] + _stars_for(match["value"])
        elif match := _KEYS.search(line):
            keys_below = indent
            lines[number] = line[: match.end("before")] + _stars_for(match["value"])
        elif keys_below is not None and not _REFERENCE.match(line):
            head, colon, value = line.partition(":")
            lines[number] = head + colon + _stars_for(value) if colon else _stars_for(line)
    return lines


def _stars(match: re.Match[str]) -> str:
    return _stars_for(match[0])


def _stars_for(text: str) -> str:
    return re.sub(r"\S", "*", text)
