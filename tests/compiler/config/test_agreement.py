"""Schema and model say the same: keys, what is required, defaults, words; the schema helps in an editor."""

import json
from collections.abc import Iterator
from typing import Any, get_args

import pytest
from jsonschema import Draft202012Validator
from pydantic import BaseModel, ValidationError

from fleet_compiler.clients import CLIENTS
from fleet_compiler.config.hints import MISSING
from fleet_compiler.config.model import (
    FleetConfig,
    ProviderSettings,
    SurfaceSettings,
    parse_fleet,
)
from fleet_compiler.config.schema import schema
from fleet_compiler.config.schema_check import find_schema_problems
from fleet_compiler.diagnostics.errors import ConfigError
from fleet_compiler.document.parse import load_document
from fleet_compiler.document.read import decode
from fleet_runtime.artifacts import contract, provider_access
from tests.support.paths import CASES, ROOT

DEFINITIONS = schema()["$defs"]

PAIRS: list[tuple[dict[str, Any], type[BaseModel], set[str]]] = [
    (schema(), FleetConfig, set()),
    (DEFINITIONS["providerMapping"], ProviderSettings, set()),
    (DEFINITIONS["sidecarMapping"], provider_access.Sidecar, set()),
    (DEFINITIONS["model"], contract.RoutedModel, {"aliases", "context_source"}),
    (DEFINITIONS["timeouts"], contract.Timeouts, set()),
    (DEFINITIONS["surface"], SurfaceSettings, set()),
    (DEFINITIONS["gateway"], contract.GatewayOptions, set()),
    (DEFINITIONS["gateway"]["properties"]["limits"], contract.Limits, set()),
    (DEFINITIONS["wake"], provider_access.Wake, set()),
    (DEFINITIONS["secret"], provider_access.SecretReference, set()),
    (DEFINITIONS["basicAuth"], provider_access.BasicAuth, set()),
    (DEFINITIONS["key"], contract.KeyReference, set()),
    (DEFINITIONS["inventory"], contract.PollSettings, set()),
]
"""Part of the schema, its model, and the fields of the model that nobody writes."""

IDS = [model.__name__ for _, model, _ in PAIRS]
HEAD = {"version": 1, "default_provider": "box", "providers": {"box": "http://a:1"}}


def places(part: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every schema of a property, item or mapping entry, references resolved."""
    for name, below in part.get("properties", {}).items():
        yield f"{path}/{name}", resolved(below)
        yield from places(below, f"{path}/{name}")
    for keyword in ("items", "additionalProperties", "propertyNames"):
        if isinstance(part.get(keyword), dict):
            yield f"{path}/({keyword})", resolved(part[keyword])
            yield from places(part[keyword], f"{path}/({keyword})")


def resolved(part: dict[str, Any]) -> dict[str, Any]:
    reference = part.get("$ref")
    return {**DEFINITIONS[reference.removeprefix("#/$defs/")], **part} if reference else part


def every_place() -> Iterator[tuple[str, dict[str, Any]]]:
    yield from places(schema())
    for name, part in DEFINITIONS.items():
        yield from places(part, name)


def names_of(model: type[BaseModel]) -> dict[str, str]:
    return {field.alias or name: name for name, field in model.model_fields.items()}


PLACES = list(every_place())
PLACE_IDS = [where for where, _ in PLACES]


def test_schema_is_one() -> None:
    Draft202012Validator.check_schema(schema())


@pytest.mark.parametrize(("part", "model", "unwritten"), PAIRS, ids=IDS)
def test_keys_are_the_same(part: dict[str, Any], model: type[BaseModel], unwritten: set[str]) -> None:
    assert part["properties"].keys() == names_of(model).keys() - unwritten


@pytest.mark.parametrize(("part", "model", "unwritten"), PAIRS, ids=IDS)
def test_defaults_are_the_same(part: dict[str, Any], model: type[BaseModel], unwritten: set[str]) -> None:
    """A default of the schema, written out, is what the model has without it."""
    names = names_of(model)
    bare = bare_instance(model)
    for key, below in part["properties"].items():
        if "default" in resolved(below):
            written = bare_instance(model, {key: resolved(below)["default"]})
            assert getattr(written, names[key]) == getattr(bare, names[key]), key


def bare_instance(model: type[BaseModel], settings: dict[str, Any] | None = None) -> Any:
    """The smallest part of its kind, as it is read from a file, with `settings` added."""
    given = settings or {}
    document: dict[str, Any]
    if model is FleetConfig:
        return FleetConfig.model_validate({**HEAD, **given})
    if model is ProviderSettings:
        document = {**HEAD, "providers": {"box": {"url": "http://a:1", **given}}}
        return FleetConfig.model_validate(document).providers["box"]
    if model is SurfaceSettings:
        return FleetConfig.model_validate({**HEAD, "surfaces": {"a": given}}).surfaces["a"]
    if model is contract.GatewayOptions:
        return FleetConfig.model_validate({**HEAD, "gateway": given}).gateway
    if model is contract.Limits:
        return FleetConfig.model_validate({**HEAD, "gateway": {"limits": given}}).gateway.limits
    if model is provider_access.Sidecar:
        given = {"url": "http://b:1", **given}
    if model is provider_access.BasicAuth:
        given = {"user": "a", "password": {"env": "A"}, **given}
    return model.model_validate(given)


@pytest.mark.parametrize(("part", "model", "unwritten"), PAIRS, ids=IDS)
def test_what_the_model_requires_the_schema_requires(
    part: dict[str, Any], model: type[BaseModel], unwritten: set[str]
) -> None:
    """What reading fills in (labels, URLs, the rule for legacy ids) nobody has to write."""
    filled: dict[Any, set[str]] = {
        ProviderSettings: {"label", "url", "api_base"},
        SurfaceSettings: {"label", "legacy"},
        contract.GatewayOptions: {"url"},
    }
    required = {key for key, name in names_of(model).items() if model.model_fields[name].is_required()}
    written = required - filled.get(model, set())
    assert set(part.get("required", ())) == written


@pytest.mark.parametrize(
    ("words", "literal"),
    [
        (DEFINITIONS["class"]["enum"], contract.ProviderClass),
        (DEFINITIONS["providerMapping"]["properties"]["kind"]["enum"], contract.ProviderKind),
        (DEFINITIONS["model"]["properties"]["purpose"]["enum"], contract.Purpose),
        (DEFINITIONS["model"]["properties"]["input"]["items"]["enum"], contract.InputKind),
        (DEFINITIONS["surface"]["properties"]["legacy"]["enum"], contract.Legacy),
    ],
)
def test_words_are_the_same(words: list[str], literal: Any) -> None:
    assert words == list(get_args(literal))


@pytest.mark.parametrize(("part", "model", "unwritten"), PAIRS, ids=IDS)
def test_durations_begin_where_the_contract_says(
    part: dict[str, Any], model: type[BaseModel], unwritten: set[str]
) -> None:
    """A twentieth of a second in both: what is shorter would only keep a processor busy."""
    known = {key for key, name in names_of(model).items() if "Ge(ge=0.05)" in repr(model.model_fields[name])}
    written = {key for key, below in part["properties"].items() if resolved(below).get("minimum") == 0.05}
    assert written == known
    for key in known:
        assert bare_instance(model, {key: 0.05})
        for too_short in (1e-300, 0.0499):
            with pytest.raises(ValidationError):
                bare_instance(model, {key: too_short})


def test_clients_are_those_of_the_registry() -> None:
    assert DEFINITIONS["clientKind"]["enum"] == list(CLIENTS)
    kinds = DEFINITIONS["clientMapping"]["allOf"]
    assert [kind["if"]["properties"]["kind"]["const"] for kind in kinds] == list(CLIENTS)


def test_every_mapping_is_closed() -> None:
    for where, part in [("", schema()), *DEFINITIONS.items(), *PLACES]:
        if "properties" in part and "propertyNames" not in part:
            closed = part["allOf"] if where == "clientMapping" else [{"then": part}]
            assert all(each["then"]["additionalProperties"] is False for each in closed), where


@pytest.mark.parametrize(("where", "part"), PLACES, ids=PLACE_IDS)
def test_every_place_has_a_description_and_an_example(where: str, part: dict[str, Any]) -> None:
    assert where.endswith("(propertyNames)") or part["description"].endswith("."), where
    assert where.endswith("(propertyNames)") or part["examples"], where


@pytest.mark.parametrize(("where", "part"), PLACES, ids=PLACE_IDS)
def test_examples_and_defaults_are_valid(where: str, part: dict[str, Any]) -> None:
    validator = Draft202012Validator({"$defs": DEFINITIONS, **part})
    for example in [*part.get("examples", ()), *([part["default"]] if "default" in part else [])]:
        assert list(validator.iter_errors(example)) == [], where


def test_every_key_is_in_some_valid_case() -> None:
    def keys(value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            yield from value
            for below in value.values():
                yield from keys(below)
        for below in value if isinstance(value, list) else ():
            yield from keys(below)

    written = {
        key
        for path in (CASES / "valid").glob("*.yaml")
        for key in keys(load_document(decode(path.name, path.read_bytes())).data)
    }
    known = {key for part, _, _ in PAIRS for key in part["properties"]}
    assert known <= written


def test_no_case_passes_the_schema_and_fails_the_model() -> None:
    for path in CASES.glob("*/*.yaml"):
        try:
            document = load_document(decode(path.name, path.read_bytes()))
        except ConfigError:
            continue
        if not find_schema_problems(document.data):
            parse_fleet(document)


def test_what_only_the_model_rejects_is_a_diagnostic_with_a_place() -> None:
    text = "version: 1\ndefault_provider: box\nproviders:\n  box: {url: http://a:1, poll: tomorrow}\n"
    with pytest.raises(ConfigError) as caught:
        parse_fleet(load_document(decode("fleet.yaml", text.encode())))
    assert {diagnostic.code for diagnostic in caught.value.diagnostics} == {"F199"}
    assert {diagnostic.span.line for diagnostic in caught.value.diagnostics if diagnostic.span} == {4}


def test_schema_file_is_tidy() -> None:
    path = ROOT / "schema" / "fleet.schema.json"
    text = path.read_text(encoding="utf-8")
    is_tidy = text == json.dumps(json.loads(text), indent=2, ensure_ascii=False) + "\n"
    assert is_tidy


def required_keys(part: Any) -> Iterator[str]:
    """Yield the keys without which a value is invalid; those of conditions are not."""
    if isinstance(part, dict):
        yield from part.get("required", ()) if isinstance(part.get("required"), list) else ()
        for name, below in part.items():
            if name not in ("if", "not"):
                yield from required_keys(below)
    elif isinstance(part, list):
        for below in part:
            yield from required_keys(below)


def test_every_key_that_may_be_missing_has_a_remedy() -> None:
    assert set(required_keys(schema())) - MISSING.keys() == set()
