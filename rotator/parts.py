"""As much of a model as can be read, which tells when it is asked for more.

It rests on what pydantic documents: a validator sees in `info.data` what was read before its own key, and keys are read
in their order. So one more key behind all others sees all that was read, as pydantic itself reads it.
"""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Generic, TypeAlias, TypeVar, cast

from pydantic import BaseModel, Field, GetCoreSchemaHandler, ValidationError, ValidationInfo, field_validator
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema, PydanticCustomError

M = TypeVar("M", bound=BaseModel)
Place: TypeAlias = tuple[str, tuple[int | str, ...]]

_LAST = "rotator_reads_it_last"
"""A key that no settings have."""
_WHOLE = frozenset({"__dict__", "__pydantic_serializer__", "__pydantic_validator__"})
"""What shows all values of a model: how it is dumped, copied, compared, shown and gone through."""


class Unread(Exception):  # noqa: N818 - what happened; no AttributeError, which Python itself would answer
    """A value was asked for that is wrong or missing, and was told as that."""


@dataclass(slots=True)
class Gap:
    """Stands for what could not be read, in one part of a model; knows whether it was come upon."""

    met: bool = False

    def meet(self, name: str) -> None:
        self.met = True
        raise Unread(name)


@dataclass(frozen=True, slots=True)
class Found(Generic[M]):
    """What could be read.

    Attributes:
        part: the model with as many values.
        gap: stands for all others.
        has_gaps: whether there are any.
        wrong: kind and place of each mistake in single keys.
    """

    part: M
    gap: Gap
    has_gaps: bool
    wrong: list[Place]


@dataclass(slots=True)
class _Reading:
    """One look at all keys: what came of them, and which were given, as they were."""

    values: dict[str, Any] | None = None
    given: dict[str, Any] = field(default_factory=dict)


_reading: ContextVar[_Reading] = ContextVar("reading")


def read(model: type[M], given: object, context: Any = None) -> Found[M] | None:
    """What of a model can be read; no rule between keys is asked.

    None where nothing can: it is no mapping, or the model is of a kind that has no parts.
    """
    if not _has_parts(model):
        return None
    reading = _Reading()
    before = _reading.set(reading)
    try:
        wrong = _wrong(model, given, context)
        return None if reading.values is None else _found(model, reading, wrong, context)
    except Exception:  # noqa: BLE001 - of a plugin's own that misses something: what is missing has been told
        return None
    finally:
        _reading.reset(before)


def places(error: ValidationError) -> list[Place]:
    """Kind and place of each mistake."""
    lines = error.errors(include_url=False, include_context=False, include_input=False)
    return [(line["type"], line["loc"]) for line in lines]


def _wrong(model: type[BaseModel], given: object, context: Any) -> list[Place]:
    try:
        _reader(model).model_validate(given, context=context)
    except ValidationError as error:
        return [line for line in places(error) if line[1] != (_LAST,)]
    raise AssertionError("a key that is never right was")


def _has_parts(model: type[BaseModel]) -> bool:
    """Not where what a model holds comes from elsewhere than its fields."""
    wrapped = any(one.info.mode == "wrap" for one in model.__pydantic_decorators__.model_validators.values())
    return not (
        wrapped
        or model.model_config.get("extra") == "allow"
        or model.__pydantic_root_model__
        or model.__pydantic_custom_init__
    )


@lru_cache(maxsize=256)
def _reader(model: type[BaseModel]) -> type[BaseModel]:
    """The model with one more key behind all others, which sees what came of them and is never right.

    So pydantic reads each key in its own way, and comes neither to a rule between them nor to `model_post_init`.
    """

    class Reader(model):  # type: ignore[misc, valid-type]
        rotator_reads_it_last: Any = Field(default=None, alias=_LAST, validate_default=True)

        @field_validator("*", mode="before")
        @classmethod
        def _is_given(cls, value: object, info: ValidationInfo) -> object:
            if info.field_name != _LAST:
                _reading.get().given[str(info.field_name)] = value
            return value

        @field_validator(_LAST)
        @classmethod
        def _is_reached(cls, _value: object, info: ValidationInfo) -> None:
            _reading.get().values = dict(info.data)
            raise PydanticCustomError("read", "all keys are read")

        @classmethod
        def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler, /) -> CoreSchema:
            return handler(source)

    return Reader


@lru_cache(maxsize=256)
def _partial(model: type[BaseModel]) -> type[BaseModel]:
    """The model, which tells when a gap in it is come upon, also by looking at it as a whole."""

    class Partial(model):  # type: ignore[misc, valid-type]
        def __getattribute__(self, name: str) -> Any:
            value = super().__getattribute__(name)
            among = super().__getattribute__("__dict__").values() if name in _WHOLE else (value,)
            for one in among:
                if isinstance(one, Gap):
                    one.meet(name)
            return value

        def __eq__(self, other: object) -> bool:  # no part is equal to a whole, and that says nothing
            raise self._nothing_is_said()

        def __hash__(self) -> int:
            raise self._nothing_is_said()

        def _nothing_is_said(self) -> Unread:
            held = (*super().__getattribute__("__dict__").values(), super().__getattribute__("__pydantic_fields_set__"))
            for one in held:
                if isinstance(one, Gap):
                    one.met = True
            return Unread(model.__name__)

    Partial.__name__, Partial.__qualname__ = model.__name__, model.__qualname__
    return Partial


def _found(model: type[M], reading: _Reading, wrong: list[Place], context: Any) -> Found[M] | None:
    values, gap = reading.values or {}, Gap()
    given = _given(model, reading)
    has_gaps = given is None or not model.model_fields.keys() <= values.keys()
    kind = cast("type[M]", _partial(model)) if has_gaps else model
    part = kind.__new__(kind)
    # As pydantic's own `model_construct`, which would put defaults where something is missing.
    object.__setattr__(part, "__dict__", {name: values.get(name, gap) for name in model.model_fields})
    object.__setattr__(part, "__pydantic_fields_set__", gap if given is None else given)
    object.__setattr__(part, "__pydantic_extra__", None)
    object.__setattr__(part, "__pydantic_private__", None)
    if model.__pydantic_post_init__:
        part.model_post_init(context)
    return None if gap.met else Found(part, gap, has_gaps, wrong)


def _given(model: type[BaseModel], reading: _Reading) -> set[str] | None:
    """The names of what was given; None where it may as well be a default, which was validated, too."""
    unclear = {name: info for name, info in model.model_fields.items() if _validates_default(model, info)}
    if any(name in reading.given and _may_be_default(info, reading.given[name]) for name, info in unclear.items()):
        return None
    return set(reading.given)


def _validates_default(model: type[BaseModel], info: FieldInfo) -> bool:
    own = info.validate_default
    return bool(model.model_config.get("validate_default")) if own is None else own


def _may_be_default(info: FieldInfo, value: object) -> bool:
    return not info.is_required() and (info.default_factory is not None or bool(value == info.default))
