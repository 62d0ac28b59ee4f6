"""Mask everything in reports that could be a key, token or password.

A secret is recognised by its shape (`redact`), by its key (`key_names`), or by its position in the file
(`Source.secrets`). The name of a provider is never masked, whatever its shape.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterable

from fleet_compiler.diagnostics.key_names import ENVIRONMENTS, is_key_like
from fleet_compiler.diagnostics.source import Source

_TOKEN = re.compile(
    r"(?<![A-Za-z0-9_-])(?:"
    r"(?:sk|pk|rk)[-_](?:live|test|proj|ant|or|svcacct|admin|lf)[-_][A-Za-z0-9_-]{6,}"
    r"|(?:sk|pk)-(?=[A-Za-z_-]*[0-9])[A-Za-z0-9_-]{12,}"
    r"|(?:hf|gsk|csk|fw|r8|pplx|tgp_v1|dop_v1)[-_](?=[A-Za-z_-]*[0-9])[A-Za-z0-9_-]{16,}"
    r"|(?:gh[opusr]|github_pat|glpat|xox[abprs]|tskey-[a-z]+)[-_][A-Za-z0-9_-]{10,}"
    r"|(?:xai|nvapi)-[A-Za-z0-9_-]{16,}"
    r"|AIza[A-Za-z0-9_-]{8,}|AKIA[A-Z0-9]{12,}|eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}[A-Za-z0-9._-]*"
    r")"
)
"""Matches keys with the prefixes of known services, but not names such as rk-3588-board."""

_SCHEME = re.compile(r"(?<=\bBearer )[^\s'\"]+|(?<=\bBasic )[^\s'\"]+", re.IGNORECASE)
_CREDENTIALS = re.compile(r"(?<=://)(?:[^\s'\"]*|[^\s/]*)(?=@)")
"""Also those with a slash, question mark or hash that was not encoded."""
_QUERY = re.compile(r"(?<=[?&])(?P<before>[^\s=&?#'\"]+=)(?P<value>[^\s&#'\"}\])]+)")
_BARE_QUERY = re.compile(r"(?P<before>\bhttps?://[^\s?'\"]{0,300}\?)(?P<value>[^\s&#'\"}\])]+)")
_FRAGMENT = re.compile(
    r"(?P<before>(?:\b[a-z][a-z0-9+.-]{1,20}://|:[0-9]{1,5}\b)[^\s#'\"]{0,300}#|/#)(?P<value>[^\s'\"}\])]+)"
)
_HEADER = re.compile(
    r"(?P<before>(?:(?P<quote>['\"])|(?<![\w.-]))(?P<name>[A-Za-z][\w-]*):\s*)"
    r"(?P<value>(?(quote)[^'\"]+|[^\s'\"]+))"
)
_ASSIGNED = re.compile(
    r"(?<![\w.-])(?P<before>(?:--)?(?P<name>[A-Za-z_][\w.-]*)=|--(?P<option>[A-Za-z][\w-]*)\s+)"
    r"(?P<value>[^\s'\"]+)"
)

_NEXT_KEY = re.compile(r"""(?:^|[\s{,'"])(?P<name>[A-Za-z_][\w.-]*)['"]?\s*:""")
_VARIABLE = re.compile(r"\s+[A-Za-z_][A-Za-z0-9_]*\s*(?:$|[,}#])")
_KEY_REFERENCES = {"api_key_env": _VARIABLE, "api_key_file": re.compile(r"\s+[^\s\[{&*|>-]")}
"""Matches values that only refer to a key."""
_REFERENCE = re.compile(
    r"""\s*(?:-\s|#|[\w"'-]+\s*:\s*(?:\{\s*)?(?:(?:env|file|surfaces)\b.*)?$|(?:env|file|surfaces)\s*:)"""
)
_PROVIDER_NAME = re.compile(
    r"""^(?:\s+['"]?(?P<key>[a-z0-9][a-z0-9._-]*)['"]?\s*:|default_provider\s*:\s*['"]?(?P<default>[\w.-]+))"""
)
_ANCHOR = re.compile(r"(?:^|[\s:,\[{-])&[^\s,\[\]{}]+\s")
_INDENT = re.compile(r" *")


def redact(text: str, names: Container[str] = ()) -> str:
    """Return `text` with probable secrets replaced by asterisks of equal length; `names` are not masked.

    This masks keys of known shapes, credentials, query values and fragments of URLs, text after ``Bearer`` or
    the name of a key-like header, and values assigned to a key-like name, as in ``--api-key=…``.
    """

    def unless_named(match: re.Match[str]) -> str:
        return match[0] if match[0] in names else _stars(match[0])

    text = _TOKEN.sub(unless_named, text)
    for shape in (_SCHEME, _CREDENTIALS):
        text = shape.sub(lambda match: _stars(match[0]), text)
    text = _QUERY.sub(lambda match: match["before"] + _stars(match["value"]), text)
    text = _BARE_QUERY.sub(_mask_bare_query, text)
    text = _FRAGMENT.sub(lambda match: match["before"] + _stars(match["value"]), text)
    text = _HEADER.sub(_mask_header, text)
    return _ASSIGNED.sub(_mask_assigned, text)


def redact_source(source: Source) -> list[str]:
    """Return the lines of a configuration without its secrets; every character keeps its place.

    If the positions of secrets are unknown, everything after a key-like name is masked, to be safe.
    """
    lines = source.text.split("\n")
    if source.secrets is None:
        names = frozenset(filter(None, map(_provider_name, lines)))
        return [redact(line, names) for line in _mask_guessed(lines)]
    return [redact(line, source.names) for line in _mask_known(lines, source)]


def _mask_known(lines: list[str], source: Source) -> list[str]:
    for number, line in enumerate(lines):
        value, sign, comment = line.partition("#")
        if (key := _key_like(comment)) is not None:
            lines[number] = value + sign + comment[: key.end()] + _stars(comment[key.end() :])
    for span in source.secrets or ():
        line = lines[span.line - 1]
        start, end = span.column - 1, span.end_column - 1
        lines[span.line - 1] = line[:start] + _stars(line[start:end]) + line[end:]
    return lines


def _mask_guessed(lines: list[str]) -> Iterable[str]:
    hidden_below: int | None = None
    keys_below: int | None = None
    for line in lines:
        indent = len(_INDENT.match(line)[0]) if line.strip() else 10**6  # type: ignore[index]
        if hidden_below is not None and indent > hidden_below:
            yield _stars(line)
            continue
        hidden_below = None
        if (anchor := _ANCHOR.search(line)) is not None:
            line = line[: anchor.end()] + _stars(line[anchor.end() :])  # an alias may use it as a key
        keys_below = keys_below if keys_below is not None and indent > keys_below else None
        if (key := _key_like(line)) is not None:
            hidden_below = indent
            yield line[: key.end()] + _stars(line[key.end() :])
        elif (key := _named(line, lambda name: name == "keys")) is not None:
            keys_below = indent
            yield line[: key.end()] + _stars(line[key.end() :])
        elif keys_below is not None and not _REFERENCE.match(line):
            head, colon, value = line.partition(":")
            yield head + colon + _stars(value) if colon else _stars(line)
        else:
            yield line


def _key_like(line: str) -> re.Match[str] | None:
    """Return the first key of a line whose value may be a secret and is not just the name of a variable."""

    def hides(name: str) -> bool:
        return is_key_like(name) or name.lower().replace("-", "_") in ENVIRONMENTS

    key = _named(line, hides)
    if key is not None and key["name"] == "env" and _VARIABLE.match(line, key.end()):
        return None
    if key is None:
        key = _named(line, lambda name: name in _KEY_REFERENCES)
        return None if key is None or _KEY_REFERENCES[key["name"]].match(line, key.end()) else key
    return key


def _named(line: str, wanted: Callable[[str], bool]) -> re.Match[str] | None:
    return next((match for match in _NEXT_KEY.finditer(line) if wanted(match["name"])), None)


def _provider_name(line: str) -> str | None:
    """Return the name of a provider that a line of an invalid file may define."""
    match = _PROVIDER_NAME.match(line)
    return None if match is None else match["key"] or match["default"]


def _mask_bare_query(match: re.Match[str]) -> str:
    return match[0] if "=" in match["value"] else match["before"] + _stars(match["value"])


def _mask_header(match: re.Match[str]) -> str:
    """Mask a header inside a text; keys of YAML are judged by their position instead."""
    above = match.string[: match.start()].rstrip()
    is_header = (match["quote"] and match["name"] != "key") or (
        "-" in match["name"] and above and above[-1] not in "{,-"
    )
    return match["before"] + _stars(match["value"]) if is_header and is_key_like(match["name"]) else match[0]


def _mask_assigned(match: re.Match[str]) -> str:
    name = match["name"] or match["option"]
    return match["before"] + _stars(match["value"]) if is_key_like(name) else match[0]


def _stars(text: str) -> str:
    return re.sub(r"\S", "*", text)
