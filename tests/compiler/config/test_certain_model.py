"""A model that is made without pydantic's validators is the one that they would make."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from copy import deepcopy
from pathlib import Path
from random import Random
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from fleet_compiler.clients import CLIENTS
from fleet_compiler.config.certain_model import certain_model
from fleet_compiler.config.model import FleetConfig
from fleet_compiler.diagnostics.errors import ConfigError
from fleet_compiler.document.parse import load_document
from fleet_compiler.document.read import decode
from fleet_compiler.lock import lockfile
from fleet_compiler.lock.lockfile import parse_lock
from tests.support.lock_mutation import SCALARS, mutate_lock
from tests.support.paths import CASES, ROOT

VALID = {
    path.stem: load_document(decode("fleet.yaml", path.read_bytes())).data
    for path in sorted((CASES / "valid").glob("*.yaml"))
}
WRITTEN = [
    *SCALARS,
    "\ud800",
    float("nan"),
    0.5,
    60,
    "5 MB",
    "box",
    "box/m",
    "http://a:1/v1/",
    ["box"],
    {"m": None},
]


def complete(model: Any) -> Any:
    """Return a model as data in which everything that two models can differ in is seen."""
    if isinstance(model, BaseModel):
        given = sorted(model.model_fields_set)
        fields = [(name, complete(getattr(model, name))) for name in type(model).model_fields]
        return type(model).__name__, given, fields
    if isinstance(model, dict):
        return [(key, complete(value)) for key, value in model.items()]
    if isinstance(model, list | tuple):
        return type(model).__name__, [complete(each) for each in model]
    return repr(model)


def places(data: Any) -> Iterator[tuple[Any, Any]]:
    """Yield every container with each of its keys or indices."""
    if isinstance(data, dict | list):
        for key in data if isinstance(data, dict) else range(len(data)):
            yield data, key
            yield from places(data[key])


def compare(model: type[BaseModel], data: Any) -> bool:
    """Return whether the model was certain; fails unless it is the one that pydantic makes.

    Unhashable ids make a function that normalises them raise TypeError, here as there.
    """
    found = wanted = None
    with suppress(ValidationError, TypeError):
        wanted = model.model_validate(deepcopy(data))
    with suppress(TypeError):
        found = certain_model(model, deepcopy(data))
    assert found is None or complete(found) == complete(wanted)
    return found is not None


@pytest.mark.parametrize("name", VALID)
def test_every_valid_case_is_certain_unless_it_has_a_pattern(name: str) -> None:
    assert compare(FleetConfig, VALID[name]) is (name != "every-provider-key")


@given(st.sampled_from(sorted(VALID)), st.integers(0), st.sampled_from(WRITTEN))
def test_certain_models_of_damaged_files_equal_those_of_pydantic(name: str, place: int, value: Any) -> None:
    data = deepcopy(VALID[name])
    every = list(places(data))
    container, key = every[place % len(every)]
    container[key] = value
    compare(FleetConfig, data)


def outcome(raw: bytes) -> Any:
    try:
        return complete(parse_lock(raw, Path("fleet.lock")))
    except ConfigError as error:
        return error.diagnostics


@given(st.integers(0, 2**32))
def test_a_damaged_lock_means_the_same_to_pydantic_alone(seed: int) -> None:
    raw = mutate_lock(Random(seed))
    found = outcome(raw)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lockfile, "SHORT", -1)
        assert outcome(raw) == found


def test_a_value_that_a_repeated_key_hides_is_reported_all_the_same() -> None:
    entry = '{"url": "http://a:1", "kind": "ollama", "models": {}}'
    raw = f'{{"format": 1, "providers": {{"box": {{"url": 1}}, "box": {entry}}}}}'.encode()
    messages = [diagnostic.message for diagnostic in outcome(raw)]
    assert any("Input should be a valid string" in message for message in messages)


@pytest.mark.parametrize("kind", CLIENTS.values(), ids=CLIENTS)
@given(value=st.sampled_from(WRITTEN))
def test_options_are_certain_only_as_pydantic_reads_them(kind: Any, value: Any) -> None:
    assert compare(kind.options, {})
    for name in kind.options.model_fields:
        compare(kind.options, {name: value})


class Aliased(BaseModel):
    a: int = Field(1, alias="b")


class Converted(BaseModel):
    model_config = ConfigDict(str_to_upper=True)
    a: str


class Checked(BaseModel):
    a: int

    @field_validator("a")
    @classmethod
    def double(cls, value: int) -> int:
        return 2 * value


class Whole(BaseModel):
    a: int

    @model_validator(mode="after")
    def nothing(self) -> Whole:
        raise ValueError("no")


class Ambiguous(BaseModel):
    a: float | int


class Fixed(BaseModel):
    a: Literal[1, "x", True]
    b: Annotated[int, Field(multiple_of=2)] = 2


@pytest.mark.parametrize(
    ("model", "data"),
    [
        (Aliased, {"a": 2}),
        (Converted, {"a": "x"}),
        (Checked, {"a": 1}),
        (Whole, {"a": 1}),
        (Ambiguous, {"a": 1}),
        (Fixed, {"a": 1.0}),
        (Fixed, {"a": 1, "b": 3}),
        (Fixed, {"a": 1, "c": 3}),
        (Fixed, {}),
        (Fixed, None),
    ],
)
def test_what_a_model_does_besides_its_types_is_left_to_pydantic(model: type[BaseModel], data: Any) -> None:
    assert certain_model(model, data) is None


@pytest.mark.parametrize("value", [1, "x", True])
def test_a_fixed_value_keeps_its_type(value: object) -> None:
    assert compare(Fixed, {"a": value})
    with pytest.raises(ValidationError):
        Fixed.model_validate({"a": "1"})


def test_validating_an_ordinary_fleet_builds_no_validators() -> None:
    """The first validator makes pydantic look for plugins in every installed package."""
    program = (
        "import sys; sys.argv = ['fleet', 'validate', '-f', 'fleet.yaml']\n"
        "from fleet_compiler.cli import main\n"
        "try: main()\n"
        "except SystemExit as end: print(end.code, 'pydantic.plugin._loader' in sys.modules)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert ran.stdout.splitlines()[-1] == "0 False"
