"""The output of ``fleet diff --against``: text, Markdown for a pull request, and JSON."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

from fleet_compiler.emit.review import EVERYWHERE, Review, SurfaceReview
from fleet_runtime.text import count, escape

SHOWN_LINES = 12
SHOWN_MARKDOWN = 40
MAX_MARKDOWN = 60_000
"""Entries of each kind, and characters: a comment on GitHub takes 65 536."""


def review_data(review: Review, against: str) -> dict[str, Any]:
    """Return a review as JSON data; `status` is ``changed`` or ``same``."""
    return {"status": "changed" if review else "same", "against": against, **asdict(review)}


def review_lines(review: Review, against: str) -> Iterator[str]:
    """Yield a review as lines, first what a build says, then what it means for saved ids."""
    if not review:
        yield f"nothing changes for clients since {against}"
        return
    yield from review.changes
    for moved in review.moved:
        yield f"~ {moved.name}: {moved.before} → {moved.after}"
    for surface in review.surfaces:
        where = "everywhere" if surface.surface == EVERYWHERE else f"on {surface.surface}"
        for title, entries in _groups(surface):
            sign = {"new": "+", "gone": "-"}.get(title, "~")
            yield f"{sign} {title}, {where}:"
            yield from (f"    {sign} {' '.join(entry)}" for entry in entries[:SHOWN_LINES])
            if len(entries) > SHOWN_LINES:
                yield f"    {sign} and {len(entries) - SHOWN_LINES} more"


def review_markdown(review: Review, against: str) -> str:
    """Return a review as a comment: texts of the fleet are shown as code only, so that none is a link, a
    mention or HTML."""
    if not review:
        return f"**fleet**: nothing changes for clients since {_code(against)}.\n"
    parts = [f"### fleet: {_headline(review)}", f"Compared with {_code(against)}."]
    if review.moved:
        moves = (f"- {_code(each.name)}: {_code(each.before)} → {_code(each.after)}" for each in review.moved)
        parts.append("**At another address**\n" + "\n".join(moves))
    for surface in review.surfaces:
        where = "" if surface.surface == EVERYWHERE else f" on {_code(surface.surface)}"
        for title, entries in _groups(surface):
            lines = [f"- {' '.join(_word(word) for word in entry)}" for entry in entries[:SHOWN_MARKDOWN]]
            if len(entries) > SHOWN_MARKDOWN:
                lines.append(f"- and {len(entries) - SHOWN_MARKDOWN} more")
            parts.append(f"**{title.capitalize()}{where}**\n" + "\n".join(lines))
    if review.changes:
        details = _fenced(review.changes)
        parts.append(f"<details><summary>Output of fleet build</summary>\n\n{details}\n\n</details>")
    return _cut(parts)


def diff_markdown(changes: Sequence[str], lines: Sequence[str]) -> str:
    """Return what a build changes in generated/ as a comment: its own words, then the lines of the files."""
    if not lines:
        return "**fleet**: generated/ is current.\n"
    said = [_fenced(changes)] if changes else []
    return _cut(["### fleet: generated/ changes", *said, _fenced(lines)])


def _fenced(lines: Sequence[str]) -> str:
    """Return lines as a block of code that shows signs in colours."""
    body = "\n".join(map(escape, lines))
    fence = _fence(body, "```")
    return f"{fence}diff\n{body}\n{fence}"


def _headline(review: Review) -> str:
    """Return how much changed, the worst first."""
    every = review.surfaces
    counts = (
        (sum(len(each.gone) for each in every), "gone"),
        (sum(len(each.elsewhere) for each in every) + len(review.moved), "now elsewhere"),
        (sum(len(each.smaller) for each in every), "with a smaller context"),
        (sum(len(each.new) for each in every), "new"),
    )
    said = [f"{number} {word}" for number, word in counts if number]
    roles = sum(len(each.roles) for each in every)
    said += [count(roles, "role changed", "roles changed")] if roles else []
    return ", ".join(said) or "details changed"


def _groups(surface: SurfaceReview) -> Iterator[tuple[str, Sequence[tuple[str, ...]]]]:
    """Yield what changed by kind, each entry as words: ids, and what is between them."""
    groups: tuple[tuple[str, list[tuple[str, ...]]], ...] = (
        ("gone", [(id,) for id in surface.gone]),
        ("now resolve to another model", [(each.name, "→", each.after) for each in surface.elsewhere]),
        (
            "smaller context",
            [(each.id, f"{each.before} → {each.after} tokens") for each in surface.smaller],
        ),
        (
            "roles",
            [(f"@{each.role}", *_choices(each.before), "→", *_choices(each.after)) for each in surface.roles],
        ),
        ("new", [(id,) for id in surface.new]),
    )
    yield from ((title, entries) for title, entries in groups if entries)


def _choices(ids: Sequence[str]) -> Iterable[str]:
    return ids or ("(none)",)


_PLAIN = re.compile(r"→|\(none\)|\d+ → \d+ tokens")


def _word(word: str) -> str:
    return word if _PLAIN.fullmatch(word) else _code(word)


def _code(text: str) -> str:
    """Return a code span that holds exactly `text` (CommonMark 0.31, 6.1)."""
    shown = escape(text)
    fence = _fence(shown, "`")
    space = " " if shown.startswith("`") or shown.endswith("`") else ""
    return f"{fence}{space}{shown}{space}{fence}"


def _fence(text: str, shortest: str) -> str:
    """Return a run of backticks that is longer than each in `text`."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    return "`" * max(longest + 1, len(shortest))


def _cut(parts: Iterable[str]) -> str:
    text = ""
    for part in parts:
        if len(text) + len(part) > MAX_MARKDOWN:
            return text + "More than fits into a comment: run `fleet diff --against` for the rest.\n"
        text += part + "\n\n"
    return text.rstrip("\n") + "\n"
