"""Build a model from data that is certainly valid, without pydantic's validators.

Building the validators takes longer than everything else that a small fleet needs. Therefore this module
reads the declared fields of a model and accepts only values of exactly these types. If pydantic might return
something else, it returns None, and pydantic validates and explains.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping
from functools import cache, partial
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NamedTuple, TypeAlias, TypeVar, Union, cast, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel, BeforeValidator
from pydantic.fields import FieldInfo

from fleet_runtime.artifacts.shapes import LARGEST, Shape

Model = TypeVar("Model", bound=BaseModel)
Reader: TypeAlias = Callable[[Any], Any]
"""Returns a value as pydantic would; raises `_UncertainError`."""

_KNOWN_SETTINGS = frozenset(
    ("alias_generator", "defer_build", "extra", "frozen", "populate_by_name", "serialize_by_alias")
)
"""The model settings that do not affect how fields are validated."""


class _UncertainError(Exception):
    """Only pydantic can tell."""


def certain_model(model: type[Model], data: Any) -> Model | None:
    """Return what `model.model_validate(data)` would; None if only pydantic can tell."""
    try:
        return _read_model(model, data)
    except (_UncertainError, ValueError):
        return None


def _read_model(model: type[Model], data: Any) -> Model:
    if type(data) is model:
        return data
    if type(data) is not dict:
        raise _UncertainError
    fields, defaults = _fields(model)
    values: dict[str, Any] = {}
    for key, value in data.items():
        if key not in fields or (field := fields[key]).name in values:
            raise _UncertainError
        values[field.name] = field.read(value)
    given = set(values)
    for name, make in defaults.items():
        if name not in values:
            values[name] = make()
    return model.model_construct(given, **values)


class _Field(NamedTuple):
    name: str
    read: Reader


@cache
def _fields(model: type[BaseModel]) -> tuple[Mapping[str, _Field], Mapping[str, Callable[[], Any]]]:
    """Return the fields by key, and by name how to handle a missing field without a plain default."""
    decorators = model.__pydantic_decorators__
    validators = (decorators.validators, decorators.field_validators, decorators.root_validators)
    if any((*validators, decorators.model_validators)) or model.model_config.keys() - _KNOWN_SETTINGS:
        raise _UncertainError
    fields: dict[str, _Field] = {}
    defaults: dict[str, Callable[[], Any]] = {}
    for name, info in model.model_fields.items():
        if info.validation_alias not in (None, info.alias) or info.discriminator is not None:
            raise _UncertainError
        read = _with(info.metadata, _reader(cast("Any", info.annotation)))
        fields[info.alias or name] = _Field(name, read)
        if model.model_config.get("populate_by_name"):
            fields[name] = _Field(name, read)
        if info.is_required():
            defaults[name] = partial(_doubt, None)
        elif info.validate_default:
            defaults[name] = partial(read, info.default)
    return fields, defaults


@cache
def _reader(kind: Any) -> Reader:
    arguments = get_args(kind)
    match get_origin(kind):
        case origin if origin is Annotated:
            return _with(arguments[1:], _reader(arguments[0]))
        case origin if origin in (Union, UnionType):
            others = [_reader(each) for each in arguments if each is not NoneType]
            return partial(_read_union, others, len(others) < len(arguments))
        case origin if origin is Literal:
            return partial(_read_literal, arguments)
        case origin if origin is tuple and arguments[1:] == (...,):
            return partial(_read_tuple, _reader(arguments[0]))
        case origin if origin is dict and arguments[0] is str:
            return partial(_read_dict, _reader(arguments[1]))
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return partial(_read_model, kind)
    return _SIMPLE.get(kind, _doubt)


def _with(metadata: Iterable[Any], read: Reader) -> Reader:
    """Return a reader of a type with its metadata, the last of which is the outermost."""
    for each in metadata:
        match each:
            case Shape():
                pass
            case FieldInfo():
                read = _with(each.metadata, read)
            case BeforeValidator():
                read = partial(_read_normalised, cast("Reader", each.func), read)
            case Gt() | Ge() | Lt() | Le():
                comparison = type(each).__name__.lower()
                compare, limit = getattr(operator, comparison), getattr(each, comparison)
                read = partial(_read_bounded, compare, limit, read)
            case _:
                return _doubt
    return read


def _doubt(_: Any) -> Any:
    raise _UncertainError


def _same(value: Any) -> Any:
    return value


def _read_exact(kind: type, value: Any) -> Any:
    if type(value) is not kind:
        raise _UncertainError
    return value


def _read_text(value: Any) -> Any:
    _read_exact(str, value).encode()  # ValueError for half of a surrogate pair
    return value


def _read_number(value: Any) -> float:
    if type(value) is float:
        return value
    if abs(_read_exact(int, value)) > LARGEST:
        raise _UncertainError
    return float(value)


_SIMPLE: Mapping[Any, Reader] = {
    Any: _same,
    str: _read_text,
    int: partial(_read_exact, int),
    float: _read_number,
    bool: partial(_read_exact, bool),
}


def _read_union(readers: list[Reader], or_none: bool, value: Any) -> Any:
    """Return the result of the only reader that accepts the value; if several accept it, pydantic has its own
    rules."""
    if value is None and or_none:
        return None
    if len(readers) == 1:
        return readers[0](value)
    read = []
    for each in readers:
        try:
            read.append(each(value))
        except (_UncertainError, ValueError):
            continue
    if len(read) != 1:
        raise _UncertainError
    return read[0]


def _read_literal(allowed: tuple[Any, ...], value: Any) -> Any:
    if not any(type(value) is type(each) and value == each for each in allowed):
        raise _UncertainError
    return value


def _read_tuple(read: Reader, value: Any) -> tuple[Any, ...]:
    if type(value) not in (list, tuple):
        raise _UncertainError
    return tuple(map(read, value))


def _read_dict(read: Reader, value: Any) -> dict[str, Any]:
    if type(value) is not dict:
        raise _UncertainError
    return {_read_text(key): read(below) for key, below in value.items()}


def _read_normalised(normalise: Callable[[Any], Any], read: Reader, value: Any) -> Any:
    return read(normalise(value))


def _read_bounded(compare: Callable[[Any, Any], bool], limit: Any, read: Reader, value: Any) -> Any:
    number = read(value)
    if not compare(number, limit):
        raise _UncertainError
    return number
