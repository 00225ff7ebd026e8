"""Validation that tells every mistake at once.

pydantic asks the rules between the keys of a model (its validators of mode `after`) only when each key by itself is
right, and stops at the first that is broken. Here every rule is asked, as far as the values that it looks at could be
read: one that looks at another value has nothing to say yet. A rule that takes more than the model (`info`) is left to
pydantic.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from functools import lru_cache
from inspect import signature
from types import new_class
from typing import Any, Self, TypeVar, get_args

from pydantic import BaseModel, Field, ModelWrapValidatorHandler, ValidationError, model_validator
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError
from pydantic_core.core_schema import ErrorType

M = TypeVar("M", bound=BaseModel)
T = TypeVar("T")

_WHOLE = frozenset({"__dict__", "__pydantic_serializer__"})
"""What shows all values of a model: how it is dumped, copied, shown and gone through."""

_KNOWN: frozenset[str] = frozenset(get_args(ErrorType))


class Unread(Exception):  # noqa: N818 - what happened; no AttributeError, which Python itself would answer
    """A value was asked for that is wrong or missing, and was told as that."""


class _Unknown:
    """Stands where a value could not be read, for whoever looks there while the others are read."""

    def _unread(self, *_: object) -> Any:
        raise Unread("it could not be read")

    # What any object answers; everything else is a TypeError or an AttributeError already.
    __bool__ = __eq__ = __ne__ = __hash__ = __str__ = __repr__ = __format__ = _unread


class Thorough(BaseModel):
    """The base of models that tell every mistake at once."""

    @model_validator(mode="wrap")
    @classmethod
    def _tell_all(cls, given: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            read = handler(given)
        except ValidationError as error:
            part = _part(cls, given, error)
            broken = _broken_in_part(cls, part, given) if part is not None else []
            if not broken:
                raise
            lines = [*map(_line, error.errors(include_url=False)), *broken]
            raise ValidationError.from_exception_data(error.title, lines) from None
        if broken := _broken(cls, read, given):
            raise ValidationError.from_exception_data(cls.__name__, broken)
        return read


def read_part(model: type[M], given: object) -> M | None:
    """As much of a model as can be read; asked for anything else it raises `Unread`. No rule between keys is asked.

    None where nothing can be read, because it is no mapping.
    """
    quiet: type[M] = _without(model, frozenset())
    try:
        return quiet.model_validate(given)
    except ValidationError as error:
        return _part(quiet, given, error)


def as_far_as_read(told: Iterable[T]) -> Iterator[T]:
    """What a rule outside a model has to say, until it asks for what could not be read."""
    with suppress(Unread):
        yield from told


def _part(model: type[M], given: object, error: ValidationError) -> M | None:
    """The same, of a model for which `given` is wrong as the error says."""
    wrong = {line["loc"][0] if line["loc"] else None for line in error.errors(include_url=False)}
    if None in wrong or not isinstance(given, Mapping):
        return None
    unread = frozenset(name for name, info in model.model_fields.items() if {info.alias or name, name} & wrong)
    partial: type[M] = _without(model, unread)
    try:
        part = partial.model_validate({key: value for key, value in given.items() if key not in wrong})
    except Exception:  # noqa: BLE001 - what looks at the whole while it is read cannot do with a part of it
        return None
    values = object.__getattribute__(part, "__dict__")
    for name in unread:
        del values[name]
    part.model_fields_set.update(name for name in unread if (model.model_fields[name].alias or name) in given)
    return part


@lru_cache(maxsize=256)
def _without(model: type[BaseModel], unread: frozenset[str]) -> type[Any]:
    """The model without rules between its keys, and with some keys that may be missing."""

    def no_rule(self: BaseModel) -> BaseModel:
        return self

    def ask(self: BaseModel, name: str) -> object:
        if name in unread or name in _WHOLE:
            raise Unread(name)
        return object.__getattribute__(self, name)

    def no_answer(self: BaseModel, *_: object) -> bool:
        raise Unread(model.__name__)  # a part equals no whole, which says nothing

    body: dict[str, Any] = {
        "__module__": model.__module__,
        "__annotations__": dict.fromkeys(unread, Any),
        **{name: Field(default_factory=_Unknown) for name in unread},
        **dict.fromkeys(_rules(model), no_rule),
    }
    if unread:
        body |= {"__getattribute__": ask, "__eq__": no_answer, "__hash__": no_answer}
    return new_class(model.__name__, (model,), exec_body=lambda namespace: namespace.update(body))


@lru_cache(maxsize=256)
def _rules(model: type[BaseModel]) -> tuple[str, ...]:
    validators = model.__pydantic_decorators__.model_validators
    return tuple(name for name, validator in validators.items() if validator.info.mode == "after")


def _broken(model: type[BaseModel], read: BaseModel, given: object) -> list[InitErrorDetails]:
    """Each rule that what was read breaks; one that gives back a changed model is followed, as pydantic does."""
    found: list[InitErrorDetails] = []
    for rule in _of_the_model_alone(model):
        try:
            read = rule(read)
        except _TOLD as error:
            found += _as_lines(error, given)
    return found


def _broken_in_part(model: type[BaseModel], part: BaseModel, given: object) -> list[InitErrorDetails]:
    """Each rule that the values which were read break; one that fails over those that were not has nothing to say."""
    found: list[InitErrorDetails] = []
    for rule in _of_the_model_alone(model):
        with suppress(Exception):
            try:
                rule(part)
            except _TOLD as error:
                found += _as_lines(error, given)
    return found


_TOLD = (ValueError, AssertionError)


def _as_lines(error: Exception, given: object) -> Iterator[InitErrorDetails]:
    if isinstance(error, ValidationError):
        return  # left to pydantic, which shows where it is
    if isinstance(error, PydanticCustomError):
        yield InitErrorDetails(type=error, loc=(), input=given)
    else:
        yield InitErrorDetails(type="value_error", loc=(), input=given, ctx={"error": error})


@lru_cache(maxsize=256)
def _of_the_model_alone(model: type[BaseModel]) -> tuple[Callable[[BaseModel], BaseModel], ...]:
    """The rules that take nothing else."""
    rules = (getattr(model, name) for name in _rules(model))
    return tuple(rule for rule in rules if len(signature(rule).parameters) == 1)


def _line(line: ErrorDetails) -> InitErrorDetails:
    known = line["type"] in _KNOWN
    kind = line["type"] if known else PydanticCustomError("custom", "{said}", {"said": line["msg"]})
    return InitErrorDetails(type=kind, loc=line["loc"], input=line["input"], ctx=line.get("ctx", {}) if known else {})
