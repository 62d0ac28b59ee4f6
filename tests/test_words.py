"""Messages, docstrings, comments and pages use the field's words (the right column says which)."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.paths import ROOT

WORDS = {
    r"(?<!here )\b(is|are) no (?!longer\b|more\b|fewer\b|less\b|\d)": "is not a",
    r"\bmend(s|ed|ing)?\b": "fix",
    r"\banew\b": "again",
    r"\bfor want of\b|\bwithout a word\b": "without, with an empty body",
    r"\bbut for\b": "except",
    r"\bbeside\b": "next to",
    r"\bwhole\b(?! number)": "complete, entire, all",
    r"\bsound\b": "valid, intact",
    r"\bstands? (in|on|where|at|over|there|alone|behind)\b": "is",
    r"\bof (its|their|his) own\b": "separate, own",
    r"\btold\b": "notified, sent",
    r"\basked\b": "requested, probed, sent",
    r"\blists? no\b": "does not list",
    r"\banswer(s|ed|ing)?\b": "response, respond, return",
    r"(?<!state )\bmachines?('s)?\b(?!-)": "provider",
    r"\blook(s|ed)? at\b": "probe, read, check",
    r"\b(a|fresh|last|next|first|one|every|these|between) looks?\b(?!-)": "probe",
    r"\b(is|are|was|were) away\b": "offline",
    r"('s|s') heads?\b": "headers",
    r"\bpieces?\b": "chunk, part",
    r"\bpass(es|ed|ing)? on\b": "forward",
    r"\bserv(e|es|ed|ing) on\b": "still serving",
    r"(?<!onnection )(?<!onnections )\brefus(e|es|ed|ing|al)\b": "reject",
    r"\bwhoever\b": "the one who, clients that",
    r"\bcome in\b": "access",
    r"\b(go|goes|going|went) on\b": "continue",
    r"\bfor ever\b": "forever",
    r"\b(is|are) to be\b": "must be",
    r"\ball the same\b": "anyway",
    r"\bnobody\b": "no one, no provider",
    r"\bpeople see\b": "display name",
    r"\bof late\b": "recent",
    r"\bin vain\b": "without success",
    r"\bleft fleet\.yaml\b": "was removed from fleet.yaml",
    r"\b(headers?|heads?|body|bytes?|it) (is|are) here\b": "has arrived, is complete",
    r"\b(is|are|was|were) over\b(?! (its|the|their) limit)": "has ended, finished",
    r"\bin the place of\b": "in place of, instead of",
    r"\b(some|any|every)body\b": "someone, everyone",
    r"\bpresent (names?|ones?|lists?|steps?|folder|snapshot)\b": "current",
    r"\bmeans? nothing\b": "is ignored, is invalid",
    r"\bwhat is wrong\b": "the problem",
    r"\bpass(es|ed|ing)? over\b": "skip",
    r"\breads? on\b": "resumes reading",
    r"\b(cannot|to) be had\b": "is not available",
    r"\bin all(?=[.,;)]| and by\b)": "in total",
    r"\bholds? up\b(?! to)|\bheld up\b": "block, delay, stall",
    r"\bas it (came|comes)\b": "as received, as it arrives",
}
"""What the house does not write, and what it writes instead."""

JUSTIFIED = {
    "README.md": {"machine", "machines", "machine's"},
    "compiler/fleet_compiler/commands/ask.py": {"answer", "answers", "answered"},
    "docs/cli.md": {"answer", "answers", "answered"},
    "docs/deploy.md": {"machine", "machines", "machine's"},
}
"""Prose that explains: what a provider usually is, what a model does."""

SOURCES = ("bench", "compiler", "docs", "runtime")

FILES = sorted(
    str(file.relative_to(ROOT))
    for pattern in (*(f"{folder}/**/*.py" for folder in SOURCES), "docs/**/*.md", "*.md")
    for file in ROOT.glob(pattern)
    if ".cache" not in file.parts
)


def texts(file: Path) -> Iterator[tuple[int, str]]:
    """Each line of prose in a file, with its number: what stands in backticks and in code blocks is code."""
    text = file.read_text(encoding="utf-8")
    if file.suffix == ".md":
        if file.name == "CHANGELOG.md":
            text = text.partition("\n## [")[0]
        text = re.sub(r"```.*?```", lambda block: "\n" * block[0].count("\n"), text, flags=re.DOTALL)
        yield from enumerate(_without_code(text).splitlines(), 1)
        return
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
            for offset, line in enumerate(_without_code(node.value).splitlines()):
                yield node.lineno + offset, line
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], _without_code(token.string)


def _without_code(text: str) -> str:
    return re.sub(r"``[^`]*``|`[^`\n]*`", "`", text)


@pytest.mark.parametrize("name", FILES)
def test_a_text_uses_the_words_of_the_field(name: str) -> None:
    found = []
    for line, text in texts(ROOT / name):
        for word, better in WORDS.items():
            for match in re.finditer(word, text, re.IGNORECASE):
                if match[0].lower() not in JUSTIFIED.get(name, ()):
                    found.append(f"{name}:{line}: '{match[0]}': {better}: {text.strip()}")
    assert found == [], "\n".join(["", *found])
