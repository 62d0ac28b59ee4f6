"""Whatever a file holds: a model, or diagnostics with a place; never a traceback, a hang or a secret."""

import time
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet_compiler.config.schema_check import find_schema_problems
from fleet_compiler.diagnostics.codes import codes
from fleet_compiler.diagnostics.diagnostic import MAX_SHOWN, Diagnostic
from fleet_compiler.diagnostics.errors import ConfigError
from fleet_compiler.diagnostics.report import render
from fleet_compiler.diagnostics.source import Source
from fleet_compiler.document.read import decode
from fleet_compiler.load import load_source
from tests.support.mutation import CANARY, mutate, with_canary


def outcome(data: bytes) -> tuple[list[Diagnostic], list[Source], bool]:
    try:
        loaded = load_source(decode("fleet.yaml", data))
    except ConfigError as error:
        return error.diagnostics, list(error.sources), False
    assert find_schema_problems(loaded.document.data) == [], data
    return list(loaded.warnings), [loaded.source], True


def reports(diagnostics: list[Diagnostic], sources: list[Source]) -> str:
    return "\n".join(
        [
            render(diagnostics, sources, "text"),
            render(diagnostics, sources, "text", color=True),
            render(diagnostics, sources, "json"),
            render(diagnostics, sources, "github"),
            render(diagnostics, sources, "sarif"),
        ]
    )


def assert_well_behaved(data: bytes, seconds: float = 1) -> None:
    started = time.process_time()
    diagnostics, sources, valid = outcome(data)
    assert time.process_time() - started < seconds, data[:2000]
    assert valid == all(diagnostic.severity == "warning" for diagnostic in diagnostics), data
    assert len(diagnostics) <= MAX_SHOWN + 1
    for diagnostic in diagnostics:
        assert_well_formed(diagnostic, sources[0], data)
    reports(diagnostics, sources)


def assert_well_formed(diagnostic: Diagnostic, source: Source, data: bytes) -> None:
    assert diagnostic.code in codes()
    assert diagnostic.code != "F199", data
    assert diagnostic.help, data
    assert diagnostic.message == diagnostic.message.strip().removesuffix(".")
    if diagnostic.code == "F000":
        return
    lines = source.text.split("\n")
    for span in (diagnostic.span, *(other.span for other in diagnostic.related)):
        assert span is not None, data
        assert 1 <= span.line <= len(lines), data
        assert 1 <= span.column < span.end_column, data
        assert span.end_column <= max(len(lines[span.line - 1]), span.column) + 1, data


def damaged(seeds: range) -> None:
    for seed in seeds:
        assert_well_behaved(mutate(Random(seed)))


def leaking(seeds: range) -> None:
    for seed in seeds:
        data = with_canary(Random(seed))
        diagnostics, sources, _ = outcome(data)
        assert CANARY not in reports(diagnostics, sources), data


def test_damaged_files_end_in_a_diagnostic_with_a_place_or_a_model() -> None:
    damaged(range(1_500))


def test_no_report_shows_a_key_that_was_written_into_the_file() -> None:
    leaking(range(500))


@pytest.mark.slow
@pytest.mark.parametrize("part", range(10))
def test_a_hundred_thousand_damaged_files(part: int) -> None:
    damaged(range(1_000_000 + part * 10_000, 1_000_000 + (part + 1) * 10_000))


@pytest.mark.slow
def test_twenty_thousand_files_with_a_key_in_them() -> None:
    leaking(range(1_000_000, 1_020_000))


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes(data: bytes) -> None:
    assert_well_behaved(data)


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet=st.sampled_from("ab:-?{}[],#&*!|>'\"%@`\n  ~01.\\<="), max_size=60))
def test_any_sequence_of_indicators(text: str) -> None:
    assert_well_behaved(text.encode())


def hostile_texts(size: int) -> list[str]:
    """About `size` bytes each."""
    return [
        "[" * size,
        "[\n" * (size // 2),
        "{a: " * (size // 4),
        "- " * (size // 2),
        "? " * (size // 2),
        ": " * (size // 2),
        "a: " * (size // 3),
        "\n" * size + "a: [",
        "a: '" + "x" * size,
        "x" * size + ": 1",
        "a: " + "9" * size,
        "version: 1\n" * (size // 11),
        "&a " * (size // 3),
        "a: &a [" + "*a, " * (size // 4) + "]",
        "? a\n" * (size // 4),
        "#" * size,
        "\t\n" * (size // 2),
        '"' + "\\x41" * (size // 4) + '"',
        "providers: {" + "a?:b, " * (size // 6) + "}",
        "".join(f"k{number}: x\n" for number in range(size // 10)),
    ]


HOSTILE = [text[:12] + "…" for text in hostile_texts(100)]


@pytest.mark.parametrize("number", range(len(HOSTILE)), ids=HOSTILE)
@pytest.mark.parametrize(
    ("size", "seconds"),
    [pytest.param(200_000, 2, id="200 kB"), pytest.param(1_000_000, 10, id="1 MB", marks=pytest.mark.slow)],
)
def test_large_hostile_texts_take_linear_time(number: int, size: int, seconds: float) -> None:
    """A megabyte of anything takes a second or so of processor time; what is quadratic takes minutes, and a
    fifth of it still several seconds."""
    assert_well_behaved(hostile_texts(size)[number].encode(), seconds)
