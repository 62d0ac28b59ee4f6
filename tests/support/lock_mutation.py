"""Damaged fleet.lock files: what a bad merge, an edit by hand, a hostile commit or a bad disk make of one."""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random
from typing import Any

from tests.support.golden import FLEETS

CORPUS = [path.read_text(encoding="utf-8") for path in sorted(FLEETS.glob("*/fleet.lock"))]

TEXTS = [
    "", " ", "\x1b]0;x\x07", "a\nb", "\x9b2J", "\u202egnp.exe", "\u2028", "..", "../x", "a/./b", "/",
    "a//b", "@x", "x" * 600, "é" * 300, "日本", "😀", "\x00", "\x7f", "null", "file:///etc/passwd", "http://",
    "http://[::1", "http://h:99999", "http://u:p@h", "https://a..b", "url changed", "running", "chat",
    "llama-swap", "%00", "&#0;",
]  # fmt: skip
SCALARS: list[Any] = [
    None, True, False, 0, -1, 1, 1.5, 8192.0, 2**53, 2**63, 2**64, 10**400, -0.0, 1e308, [], {}, [[]],
    [None], *TEXTS,
]  # fmt: skip
KEYS = [
    "format", "providers", "url", "kind", "models", "stale", "name", "context", "context_source", "output",
    "input", "tools", "reasoning", "purpose", "aliases", "__proto__", "desk", "De sk", "sam-desktop",
    *TEXTS,
]  # fmt: skip
PIECES = [
    b"\x00", b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\\ud800", b"\\u0000", b"\\x", b"NaN",
    b"-Infinity", b"1e999", b"9" * 5000, b"[" * 3000, b'{"a":' * 3000, b"//", b"/**/", b",", b"]", b"}",
    b'"', b"<<<<<<< HEAD\n", b"=======\n", b">>>>>>> x\n", b"'", b"\r\n", b"\t",
]  # fmt: skip


def mutate_lock(random: Random) -> bytes:
    """Return one lock of the corpus with one to six faults: some in its data, some in its bytes."""
    data = json.loads(random.choice(CORPUS))
    for _ in range(random.randint(0, 4)):
        data = random.choice(_DATA_FAULTS)(random, data)
    try:
        content = json.dumps(data, indent=random.choice([None, 2]), ensure_ascii=random.random() < 0.5)
    except ValueError:  # a number of more digits than Python writes
        content = "{}"
    raw = content.encode("utf-8", "surrogatepass")
    for _ in range(random.choice([0, 0, 0, 1, 2])):
        raw = random.choice(_BYTE_FAULTS)(random, raw)
    return raw


def _places(data: Any) -> list[tuple[Any, Any]]:
    """Every container with each of its keys or indices."""
    found: list[tuple[Any, Any]] = []
    stack = [data]
    while stack:
        container = stack.pop()
        if isinstance(container, dict):
            found += [(container, key) for key in container]
            stack += container.values()
        elif isinstance(container, list):
            found += [(container, index) for index in range(len(container))]
            stack += container
    return found


def _replace(random: Random, data: Any) -> Any:
    places = _places(data)
    if not places:
        return random.choice(SCALARS)
    container, key = random.choice(places)
    container[key] = json.loads(json.dumps(random.choice(SCALARS)))
    return data


def _rename(random: Random, data: Any) -> Any:
    places = [(container, key) for container, key in _places(data) if isinstance(container, dict)]
    if places:
        container, key = random.choice(places)
        container[random.choice(KEYS)] = container.pop(key)
    return data


def _remove(random: Random, data: Any) -> Any:
    places = _places(data)
    if places:
        container, key = random.choice(places)
        del container[key]
    return data


def _add(random: Random, data: Any) -> Any:
    containers = [container for container, _ in _places(data)]
    if containers:
        container = random.choice(containers)
        value = json.loads(json.dumps(random.choice(SCALARS)))
        if isinstance(container, dict):
            container[random.choice(KEYS)] = value
        else:
            container.append(value)
    return data


def _many_models(random: Random, data: Any) -> Any:
    for container, key in _places(data):
        if key == "models" and isinstance(container[key], dict):
            container[key] |= {f"m{number}": {} for number in range(random.choice([10, 1999, 2001]))}
            break
    return data


def _insert(random: Random, raw: bytes) -> bytes:
    at = random.randint(0, len(raw))
    return raw[:at] + random.choice(PIECES) + raw[at:]


def _delete(random: Random, raw: bytes) -> bytes:
    at = random.randint(0, len(raw))
    return raw[:at] + raw[at + random.randint(1, 40) :]


def _flip_bit(random: Random, raw: bytes) -> bytes:
    if not raw:
        return raw
    at = random.randrange(len(raw))
    return raw[:at] + bytes([raw[at] ^ (1 << random.randrange(8))]) + raw[at + 1 :]


def _cut(random: Random, raw: bytes) -> bytes:
    return raw[: random.randint(0, len(raw))]


def _repeat(random: Random, raw: bytes) -> bytes:
    at = random.randint(0, len(raw))
    return raw[: at + random.randint(0, 200)] + raw[at:]


_DATA_FAULTS: list[Callable[[Random, Any], Any]] = [
    _replace,
    _replace,
    _rename,
    _remove,
    _add,
    _add,
    _many_models,
]
_BYTE_FAULTS: list[Callable[[Random, bytes], bytes]] = [_insert, _delete, _flip_bit, _cut, _repeat]
