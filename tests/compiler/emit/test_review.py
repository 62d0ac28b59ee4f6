"""What a change means for the ids that clients have saved."""

from __future__ import annotations

from pathlib import Path

from fleet_compiler.commands.review_report import review_data, review_lines, review_markdown
from fleet_compiler.emit.review import Redirect, Review, RoleChange, Side, SmallerContext, review, side_of
from fleet_compiler.lock.model import LockedProvider
from fleet_runtime.artifacts.contract import ModelFacts
from tests.support.projects import compile_text, lock_of

DESK = "http://127.0.0.1:8081"
ATTIC = "http://127.0.0.1:8082"


def side(folder: Path, yaml: str, **entries: LockedProvider) -> Side:
    compiled = compile_text(folder, f"version: 1\n{yaml}", **entries)
    return side_of(compiled.resolved, compiled.loaded.fleet.surfaces)


def test_equal_sides_have_no_changes(tmp_path: Path) -> None:
    one = side(tmp_path, f"default_provider: desk\nproviders: {{desk: '{DESK}'}}\n", desk=lock_of(DESK, "a"))
    same = review(one, one)
    assert not same
    assert list(review_lines(same, "main")) == ["nothing changes for clients since main"]
    assert review_markdown(same, "main") == "**fleet**: nothing changes for clients since `main`.\n"


def test_every_kind_of_change_is_found_where_it_is(tmp_path: Path) -> None:
    surfaces = "surfaces: {chat: , narrow: {providers: [desk]}}\n"
    before = side(
        tmp_path,
        f"default_provider: desk\nproviders: {{desk: '{DESK}', attic: '{ATTIC}'}}\n"
        f"aliases: {{old: attic/m}}\nroles: {{default: desk/a}}\n{surfaces}",
        desk=lock_of(DESK, "gone", known={"a": ModelFacts(context=8192, context_source="listed")}),
        attic=lock_of(ATTIC, "a", "m"),
    )
    after = side(
        tmp_path,
        f"default_provider: loft\nproviders: {{desk: 'http://127.0.0.1:9', loft: {{url: '{ATTIC}',"
        f" formerly: [attic]}}}}\naliases: {{old: desk/a}}\nroles: {{default: loft/a}}\n{surfaces}",
        desk=lock_of("http://127.0.0.1:9", known={"a": ModelFacts(context=4096, context_source="listed")}),
        loft=lock_of(ATTIC, "a", "m", "new"),
    )
    found = review(before, after)
    everywhere, narrow = found.surfaces
    assert everywhere.surface == "/v1"
    assert everywhere.new == ("loft/a", "loft/m", "loft/new")
    assert everywhere.gone == ("desk/gone",)
    assert everywhere.elsewhere == (
        Redirect("a", "desk/a", "loft/a"),
        Redirect("attic/a", "attic/a", "loft/a"),
        Redirect("attic/m", "attic/m", "loft/m"),
        Redirect("old", "attic/m", "desk/a"),
    )
    assert everywhere.smaller == (SmallerContext("desk/a", 8192, 4096),)
    assert everywhere.roles == (RoleChange("default", ("desk/a",), ("loft/a",)),)
    assert found.moved == (Redirect("desk", DESK, "http://127.0.0.1:9"),)
    assert (narrow.surface, narrow.gone) == ("narrow", ("a",))
    assert "~ attic → loft: renamed" in found.changes
    assert review_data(found, "main")["status"] == "changed"


def test_a_fleet_that_was_not_there_is_new(tmp_path: Path) -> None:
    after = side(
        tmp_path, f"default_provider: desk\nproviders: {{desk: '{DESK}'}}\n", desk=lock_of(DESK, "a")
    )
    assert review(None, after).surfaces[0].new == ("desk/a",)


def test_a_comment_shows_texts_of_the_fleet_as_code_only(tmp_path: Path) -> None:
    hostile = ("`@octocat` <img src=x>", "``a``", "[x](javascript:y)", "```\n# title", "a|b")
    yaml = "default_provider: desk\nproviders: {desk: 'http://127.0.0.1:8081'}\n"
    after = side(tmp_path, yaml, desk=lock_of(DESK, *(id.replace("\n", " ") for id in hostile)))
    shown = review_markdown(review(None, after), "`main` @octocat")
    assert "- ``desk/`@octocat` <img src=x>``\n" in shown
    assert "- ` desk/``a`` `\n".replace("` ", "``` ", 1).replace(" `\n", " ```\n") in shown
    assert "Compared with `` `main` @octocat ``." in shown


def test_a_comment_is_short_enough_for_github() -> None:
    many = Review((), (), tuple(f"+ provider-{number}: {'x' * 90}" for number in range(2000)))
    shown = review_markdown(many, "main")
    assert len(shown) < 65_536
    assert shown.endswith("run `fleet diff --against` for the rest.\n")
