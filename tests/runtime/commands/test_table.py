"""Tables that fit 60, 80 and 100 columns (fleet_runtime.commands.table, and who prints with it)."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from msgspec import structs
from syrupy.assertion import SnapshotAssertion

from fleet_runtime.api.examples import EXAMPLES
from fleet_runtime.api.shapes import FleetStatus, ProviderReport
from fleet_runtime.commands.status import overview
from fleet_runtime.commands.table import Column, layout

WIDTHS = (60, 80, 100, None)
LONG_ID = "sam-desktop/qwen3-coder-30b-a3b-instruct-q4-k-m"
NOW = datetime(2026, 11, 21, 20, 0, 0, tzinfo=UTC)


def example_fleet() -> FleetStatus:
    (report,) = (each for each in EXAMPLES.values() if isinstance(each, ProviderReport))
    (fleet,) = (each for each in EXAMPLES.values() if isinstance(each, FleetStatus))
    usual = structs.replace(report, since="2026-11-21T19:57:00Z", in_flight={}, loading=(), reason=None)
    model = LONG_ID.partition("/")[2]
    providers = (
        structs.replace(usual, name="sam-desktop", loaded=(model,), in_flight={model: 2}, waiting=1),
        structs.replace(usual, name="embedding", loaded=(), reason="connection refused"),
        structs.replace(
            usual,
            name="mini",
            status="offline",
            loaded=(),
            reason="its certificate is not trusted: certificate has expired (set `ca_file`, or "
            "`verify: false`)",
        ),
    )
    return structs.replace(fleet, providers=providers, refused=None, needs_restart=())


@pytest.mark.parametrize("width", WIDTHS)
def test_the_status_fits_and_shows_every_model_id_complete(
    width: int | None, snapshot: SnapshotAssertion
) -> None:
    text = overview(example_fleet(), NOW, width)
    assert width is None or all(len(line) <= width for line in text.splitlines())
    assert LONG_ID.partition("/")[2] in text
    assert text == snapshot


@pytest.mark.parametrize("width", WIDTHS)
def test_an_id_is_never_shortened_and_what_is_said_of_it_only_at_its_end(width: int | None) -> None:
    columns = (Column("id"), Column("facts", is_detail=True))
    facts = "262144 tokens (running), tools, reasoning, image, also qwen3-coder, coder, big-coder"
    lines = layout(columns, [(LONG_ID, facts), ("mini/b", "")], width, has_header=False, indent="  ")
    assert [line.split()[0] for line in lines if line.strip().startswith(("sam", "mini"))] == [
        LONG_ID,
        "mini/b",
    ]
    assert width is None or all(len(line) <= width for line in lines)
    whole = " ".join(" ".join(lines).split())
    assert facts in whole or "…" in whole


def test_wide_characters_take_two_columns() -> None:
    columns = (Column("name"), Column("what"), Column("why", is_detail=True))
    lines = layout(columns, [("端末", "x", "z" * 40), ("ab", "y", "")], 32)
    assert lines == ["name  what  why", f"端末  x     {'z' * 19}…", "ab    y     -"]


def test_what_is_optional_goes_when_a_name_leaves_no_room() -> None:
    columns = (Column("name"), Column("since", is_optional=True), Column("error", is_detail=True))
    lines = layout(columns, [("n" * 55, "3 min", "refused")], 60)
    assert lines == ["name", "n" * 55, "  error  refused"]


def test_lines_that_come_later_are_below_the_first() -> None:
    columns = (Column("id"), Column("state"), Column("n"))
    earlier: list[int] = []
    first = layout(columns, [("a/b", "ok", "1")], None, earlier=earlier)
    second = layout(columns, [("a/longer", "", "2"), ("a", "ok", "")], None, earlier=earlier)
    third = layout(columns, [("a", "ok", "3")], None, earlier=earlier)
    assert first == ["id   state  n", "a/b  ok     1"]
    assert second == ["a/longer  -      2", "a         ok     -"]
    assert third == ["a         ok     3"]
