"""Damaged configurations: what a slip of the keyboard, a bad merge or malice make of a good file."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from tests.support.paths import CASES

CORPUS = [path.read_bytes() for path in sorted(CASES.glob("*/*.yaml"))]

CANARY = "canary-7f3a9c"

SCALARS = [
    "no", "on", "~", "", "null", "true", "1.0", "010", "0x1f", "1_000", "12:30:45", ".inf", "-.NaN", "1e999",
    "9" * 400, "-1", "0", "2026-11-21", "'", '"', "[", "{", "]", "}", "- ", "? ", ": ", "<<: *a", "&a", "*a",
    "!!str", "!", "!<tag:x>", "%YAML 1.1", "---", "...", "|", ">-", "|9", "\t", "#", "@", "`", "\\", '"\\x"',
    "\x00", "\x1b", "\r", "\u0085", "\u2028", "\ufeff", "\u202e", "\ue000", "😀", "日本", "é", "\U0010ffff",
    "http://u:p@h", "http://[::1", "http://h:99999", "../..", "@task", "box/", "/box", "a" * 600, "*",
    "[" * 50, "{a: " * 30, "- " * 30, "<<<<<<< HEAD", "=======", "{{ env }}", "${X}", "{env:X}",
    "['a':b]", "{'a':1}", "[a, b: c, {d}]", "? [x]", "x: y: z",
]  # fmt: skip
KEYS = [
    "version", "default_provider", "providers", "aliases", "namespaces", "roles", "surfaces", "gateway",
    "url", "inventory", "api_base", "label", "kind", "class", "api_key_env", "api_key_file", "sidecar",
    "models", "keys", "include", "exclude", "unlisted", "formerly", "timeouts", "max_concurrency", "poll",
    "verify", "ca_file", "enabled", "paths", "context", "output", "input", "purpose", "hidden", "legacy",
    "client", "file", "key", "exclusive", "listen", "hosts", "origins", "limits", "drain", "state", "env",
    "box", "nobody", "Ünknown",
]  # fmt: skip


def mutate(random: Random) -> bytes:
    """One file of the corpus with one to six faults."""
    data = random.choice(CORPUS)
    for _ in range(random.randint(1, 6)):
        data = random.choice(_FAULTS)(random, data)
    return data[: 64 * 1024]


def with_canary(random: Random) -> bytes:
    """A damaged file that has a key written into it, where people do that."""
    written = random.choice(
        [
            f"    api_key: {CANARY}\n",
            f"    api_key: '{CANARY}'\n    lable: x\n",
            f"    api_key: >-\n      {CANARY}\n      {CANARY}\n",
            f"    token: {CANARY}\n",
            f"    api_key_env: {CANARY}\n",
            f"    password: [{CANARY}]\n",
            f"gateway: {{keys: {{laptop: {CANARY}}}}}\n",
            f"gateway:\n  keys:\n    laptop: {CANARY}\n    desk: {{value: {CANARY}}}\n",
        ]
    )
    head = "version: 1\ndefault_provider: box\nproviders:\n  box:\n    url: http://192.168.1.20:8080\n"
    data = (head + written + random.choice(["", "surfaces: {arena: {}}\n", "colour: red\n"])).encode()
    lines = data.split(b"\n")
    for _ in range(random.randint(0, 3)):
        at = random.randrange(len(lines))
        if any(word in lines[at] for word in (CANARY.encode(), b"keys", b"api_key")):
            lines[at] += random.choice(
                [b"", b" ", b" # note", b" }", b" '", b"\t", b" &a", b", x: y", b" \xff"]
            )
        else:
            lines[at] = random.choice(_FAULTS)(random, lines[at]).replace(b"\n", b"")
    return b"\n".join(lines)


def _drop_line(random: Random, data: bytes) -> bytes:
    lines = data.split(b"\n")
    del lines[random.randrange(len(lines))]
    return b"\n".join(lines)


def _repeat_line(random: Random, data: bytes) -> bytes:
    lines = data.split(b"\n")
    lines.insert(random.randrange(len(lines)), random.choice(lines))
    return b"\n".join(lines)


def _indent_line(random: Random, data: bytes) -> bytes:
    lines = data.split(b"\n")
    at = random.randrange(len(lines))
    lines[at] = random.choice([b" ", b"  ", b"    ", b"\t", b"- "]) + lines[at]
    return b"\n".join(lines)


def _outdent_line(random: Random, data: bytes) -> bytes:
    lines = data.split(b"\n")
    at = random.randrange(len(lines))
    lines[at] = lines[at].removeprefix(b" " * random.randint(1, 4))
    return b"\n".join(lines)


def _insert(random: Random, data: bytes) -> bytes:
    at = random.randint(0, len(data))
    return data[:at] + random.choice(SCALARS).encode() + data[at:]


def _insert_pair(random: Random, data: bytes) -> bytes:
    lines = data.split(b"\n")
    indent = " " * random.choice([0, 2, 4, 6])
    pair = f"{indent}{random.choice(KEYS)}: {random.choice([*SCALARS, *KEYS])}"
    lines.insert(random.randint(0, len(lines)), pair.encode())
    return b"\n".join(lines)


def _replace_value(random: Random, data: bytes) -> bytes:
    lines = data.split(b"\n")
    at = random.randrange(len(lines))
    key, colon, _ = lines[at].partition(b":")
    lines[at] = key + colon + b" " + random.choice([*SCALARS, *KEYS]).encode()
    return b"\n".join(lines)


def _rename_key(random: Random, data: bytes) -> bytes:
    lines = data.split(b"\n")
    at = random.randrange(len(lines))
    key, colon, value = lines[at].partition(b":")
    indent = key[: len(key) - len(key.lstrip())]
    lines[at] = indent + random.choice([*KEYS, *SCALARS]).encode() + colon + value
    return b"\n".join(lines)


def _delete_some(random: Random, data: bytes) -> bytes:
    at = random.randint(0, len(data))
    return data[:at] + data[at + random.randint(1, 12) :]


def _flip_bit(random: Random, data: bytes) -> bytes:
    if not data:
        return data
    at = random.randrange(len(data))
    return data[:at] + bytes([data[at] ^ (1 << random.randrange(8))]) + data[at + 1 :]


def _cut(random: Random, data: bytes) -> bytes:
    return data[: random.randint(0, len(data))]


def _splice(random: Random, data: bytes) -> bytes:
    other = random.choice(CORPUS)
    return data[: random.randint(0, len(data))] + other[random.randint(0, len(other)) :]


def _line_ends(random: Random, data: bytes) -> bytes:
    return data.replace(b"\n", b"\r\n", random.randint(1, 10))


_FAULTS: list[Callable[[Random, bytes], bytes]] = [
    _drop_line, _repeat_line, _indent_line, _outdent_line, _insert, _insert_pair, _replace_value, _rename_key,
    _delete_some, _flip_bit, _cut, _splice, _line_ends,
]  # fmt: skip
