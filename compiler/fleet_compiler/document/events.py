"""libyaml's events, read as YAML 1.2: the only module that calls the parser of ruamel.yaml.

Theory of operation. libyaml reads YAML 1.1, in which an unquoted value in braces or brackets cannot hold a
``:`` or ``?``, so that ``{url: http://box:8080}`` is an error. In YAML 1.2 it can, if the character has text
next to it, and every fleet.yaml relies on that. ruamel's pure parser reads YAML 1.2, but takes 23 times as
long: 23 ms instead of 1 ms for 20 providers, 1.2 s for 1 000, and over 4 s for a hostile file of one MiB.

So each such character is replaced by a private one (Unicode's private use area) before libyaml reads the
text, and put back in every value that libyaml returns. That is safe because

- the private characters are ones that the text does not contain, neither as such nor as an escape
  (``\\ue000`` in double quotes), so that putting them back changes nothing else;
- libyaml treats them like letters, and a letter is allowed wherever YAML 1.2 allows a ``:`` with text on both
  sides or a ``?`` with text on one side;
- one character replaces one character, so that lines and columns stay the same.

A text that uses all 6 399 private characters keeps its colons, and gets libyaml's error for them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from ruamel.yaml.cyaml import CParser  # type: ignore[attr-defined]

_INNER_COLON = re.compile(r"(?<=[^\s,\[\]{}\"']):(?=[^\s,\[\]{}])")
_INNER_QUESTION = re.compile(r"(?<=[^\s,\[\]{}])\?|\?(?=[^\s,\[\]{}])")
_PRIVATE = [chr(code) for code in range(0xE000, 0xF8FF)]


def read_events(text: str) -> Iterator[tuple[Any, str]]:
    """Yield libyaml's events, each with its text; raises ruamel's MarkedYAMLError."""
    lowered = text.lower()
    unused = (c for c in _PRIVATE if c not in text and f"{ord(c):x}" not in lowered)
    colon, question = next(unused, ":"), next(unused, "?")
    restore = str.maketrans({colon: ":", question: "?"})
    parser = CParser(_INNER_QUESTION.sub(question, _INNER_COLON.sub(colon, text)))
    while parser.check_event():
        event = parser.get_event()
        text = getattr(event, "value", None) or getattr(event, "anchor", None) or ""
        yield event, text.translate(restore) if colon in text or question in text else text
