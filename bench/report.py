"""Format results as text tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bench.results import Goal, StreamRow, UnaryRow


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return `rows` below `header` in columns; all columns but the first are right-aligned."""
    lines = [header, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    aligned = (
        [cell.ljust(width) if not column else cell.rjust(width) for column, (cell, width) in enumerate(pairs)]
        for pairs in (list(zip(line, widths, strict=True)) for line in lines)
    )
    return "\n".join("  ".join(cells).rstrip() for cells in aligned)


def unary_table(rows: Sequence[UnaryRow]) -> str:
    nginx = {(row.connections, row.body): row for row in rows if row.contender == "nginx"}
    header = (
        "",
        "connections",
        "body",
        "requests/s",
        "× nginx",
        "CPU µs",
        "waited",
        "p50 ms",
        "p99 ms",
        "failed",
    )
    return table(
        header,
        (
            (
                row.contender,
                str(row.connections),
                _size(row.body),
                f"{row.requests_per_second:,.0f}",
                f"{row.requests_per_second / nginx[row.connections, row.body].requests_per_second:.3f}",
                f"{row.cpu_per_request:,.0f}",
                f"{row.waited:.0%}",
                f"{row.p50:,.2f}",
                f"{row.p99:,.2f}",
                str(row.failed),
            )
            for row in rows
        ),
    )


def stream_table(rows: Sequence[StreamRow]) -> str:
    nginx = {row.streams: row for row in rows if row.contender == "nginx"}
    header = ("", "streams", "chunks", "lost", "streams changed", "first chunk p50 ms", "p99")
    return table(
        (*header, "CPU µs/chunk", "× nginx", "waited", "memory MB"),
        (
            (
                row.contender,
                str(row.streams),
                f"{row.events:,}",
                str(row.lost),
                str(row.changed),
                f"{row.first_chunk_p50:,.1f}",
                f"{row.first_chunk_p99:,.1f}",
                f"{row.cpu_per_chunk:,.1f}",
                f"{row.cpu_per_chunk / nginx[row.streams].cpu_per_chunk:.2f}",
                f"{row.waited:.0%}",
                f"{row.memory / 1e6:,.0f}" if row.memory else "",
            )
            for row in rows
        ),
    )


def goal_table(goals: Sequence[Goal]) -> str:
    labels = {True: "met", False: "MISSED", None: "not measured"}
    return table(
        ("", "goal", "measured", ""),
        (
            (
                goal.name,
                goal.bound,
                "" if goal.value is None else f"{goal.value:,.2f}",
                labels[goal.met] if goal.bound else "",
            )
            for goal in goals
        ),
    )


def _size(size: int) -> str:
    return f"{size // 1024**2} MB" if size >= 1024**2 else f"{size // 1024} KB"
