"""Every diagnostic's code, with what `fleet explain` and docs/diagnostics.md say of it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Code:
    """`title` is a few words, `text` says why and what to do; `wrong` and `right` are examples."""

    title: str
    text: str
    wrong: str | None = None
    right: str | None = None


CODES: dict[str, Code] = {
    code: Code(code, code)
    for group in ("F00", "F01", "F02", "F10", "F11", "F19", "F20", "F21", "F22", "F25", "F26", "F30", "F31", "F40")
    for code in (f"{group}{n}" for n in range(10))
}
