"""How a provider's models changed, as values and in words."""

from __future__ import annotations

from fleet_compiler.lock.diff import SHOWN, FactChange, ModelChange, compare_models, describe_difference
from fleet_runtime.artifacts.contract import ModelFacts


def test_changed_facts_are_values_and_the_context_comes_first() -> None:
    before = ModelFacts(tools=False, context=4096, context_source="listed", input=("text",))
    after = ModelFacts(tools=True, context=8192, context_source="running", aliases=("m",))
    difference = compare_models("desk", {"a": before, "same": before}, {"a": after, "same": before})
    [change] = difference.changed
    assert change == ModelChange(
        "a",
        (
            FactChange("context", "4096 (listed)", "8192 (running)"),
            FactChange("input", ("text",), None),
            FactChange("tools", False, True),
            FactChange("aliases", (), ("m",)),
        ),
    )
    assert list(describe_difference(difference)) == [
        "~ a: context 4096 (listed) → 8192 (running), input text → unknown, tools false → true, "
        "aliases none → m"
    ]


def test_a_long_list_is_cut_and_the_rest_counted() -> None:
    many = {f"m{number:02}": ModelFacts() for number in range(SHOWN + 3)}
    lines = list(describe_difference(compare_models("desk", {}, many)))
    assert (len(lines), lines[0], lines[-1]) == (SHOWN + 1, "+ m00", "+ and 3 more")


def test_equal_lists_have_no_difference() -> None:
    models = {"m": ModelFacts(context=1, context_source="listed")}
    assert not compare_models("desk", models, dict(models))
