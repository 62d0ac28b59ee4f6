r"""Text helpers for messages: quoted names, counts, lists of names, and escaping of foreign text. Pure.

Use these helpers for every text that people read:

- `quote("qwen3")` for a name in a message: ``'qwen3'``, escaped, cut when long
- `count(3, "model")`: ``3 models``; `count(1, "entry", "entries")`: ``1 entry``
- `join_names(names)`: ``'a', 'b' and 'c'``; `join_words` for words that are not names; `limit=3` cuts either
  to ``'a', 'b', 'c' and 2 more``
- `condense(text)` for an error's text as it is printed: very long words and texts lose their middle
- `escape_json(text)` for a JSON document that is printed: the same characters as JSON's own escapes
- `escape(text)` for all text that comes from outside (a provider's response, a client's request, a file)
  before it reaches a terminal, a log of CI or a report: ``\x1b[2J`` instead of a cleared screen
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

MAX_QUOTED = 60
MAX_WORD, MAX_MESSAGE = 400, 2000

_LONG_WORD = re.compile(rf"(?P<start>\S{{{MAX_WORD // 2}}})\S{{{MAX_WORD // 2},}}(?P<end>\S{{20}})")


def escape(text: str) -> str:
    r"""Return `text` on one line, with every character that is not visible written as an escape.

    That is each control character (line breaks and tabs too), mark that changes the direction of text,
    unusual space, lone surrogate and unassigned character: ``\x1b``, ``\n``, ``\u202e``. Visible characters
    of every script stay as they are, backslashes too.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def escape_json(text: str) -> str:
    """Return a JSON document with every character that is not visible, except line breaks, escaped."""
    return "".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text)


def shorten(text: str, limit: int = MAX_QUOTED) -> str:
    """Return `text` escaped, truncated to `limit` characters and ``…`` if it is longer."""
    return escape(text) if len(text) <= limit else escape(text[: limit - 1]) + "…"


def condense(text: str) -> str:
    """Return an error's text without most of a long argument in it: at most `MAX_WORD` characters of a word
    and `MAX_MESSAGE` in total, with ``…`` in place of omitted text."""
    text = _LONG_WORD.sub(r"\g<start>…\g<end>", text)
    if len(text) <= MAX_MESSAGE:
        return text
    return f"{text[: MAX_MESSAGE // 2]} … {text[-MAX_MESSAGE // 2 :]}"


def quote(name: str, limit: int = MAX_QUOTED) -> str:
    """Return a name for messages: in single quotes, escaped, at most `limit` characters."""
    return f"'{shorten(name, limit)}'"


def count(number: int, noun: str, nouns: str | None = None) -> str:
    """Return a number with its noun, as in ``1 model`` or ``3 models``; `nouns` is an irregular plural."""
    return f"{number} {noun if number == 1 else nouns or noun + 's'}"


def join_words(words: Iterable[str], conjunction: str = "and", limit: int | None = None) -> str:
    """Return the words as a list in a sentence, empty if there are none; words beyond `limit` are counted."""
    every = list(words)
    if limit is not None and len(every) > limit:
        return f"{', '.join(every[:limit])} and {len(every) - limit} more"
    if len(every) < 2:
        return "".join(every)
    return f"{', '.join(every[:-1])} {conjunction} {every[-1]}"


def join_names(names: Iterable[str], conjunction: str = "and", limit: int | None = None) -> str:
    """Return the names, each as `quote` shows it, as a list in a sentence."""
    return join_words(map(quote, names), conjunction, limit)
