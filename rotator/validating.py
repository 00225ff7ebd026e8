"""Validation that tells every mistake at once.

pydantic asks the rules between the keys of a model (its validators of mode `after`) only when each key by itself is
right, and stops at the first that is broken. What is right goes pydantic's own way here, and so does each mistake that
it tells. Only then the rules that it did not come to are asked of what could be read; one that looks at anything else,
or at the model as a whole, has nothing to say until the rest is mended.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeAlias, TypeVar, cast

from pydantic import BaseModel, GetCoreSchemaHandler, ValidationError, ValidationInfo
from pydantic_core import CoreSchema, ErrorDetails, InitErrorDetails, PydanticCustomError, PydanticKnownError
from pydantic_core.core_schema import ValidatorFunctionWrapHandler, with_info_wrap_validator_function

from rotator.parts import Found, Unread, places, read

__all__ = ["Thorough", "Unread", "as_far_as_read", "read_part"]

M = TypeVar("M", bound=BaseModel)
T = TypeVar("T")
Rule: TypeAlias = Callable[..., object]

_CHANGES = frozenset({"__dict__", "__setattr__", "setattr", "vars"})
"""The ways around that settings do not change."""


def read_part(model: type[M], given: object) -> M | None:
    """As much of a model as can be read; asked for anything else it raises `Unread`. No rule between keys is told.

    None where nothing can be read: it is no mapping, or the model is of a kind that has no parts.
    """
    try:
        return model.model_validate(given)
    except ValidationError:
        found = read(model, given)
    return None if found is None else found.part


def as_far_as_read(told: Iterable[T]) -> Iterator[T]:
    """What a rule outside a model has to say, until it asks for what could not be read."""
    with suppress(Unread):
        yield from told


def _tell_all(model: type[BaseModel], given: Any, handler: ValidatorFunctionWrapHandler, info: ValidationInfo) -> Any:
    try:
        return handler(given)
    except ValidationError as error:
        further = _further(model, given, info, error)
        if not further:
            raise
        lines = [*map(_line, error.errors(include_url=False)), *further]
        hidden = bool(model.model_config.get("hide_input_in_errors"))
        raise ValidationError.from_exception_data(error.title, lines, hide_input=hidden) from None


def _further(
    model: type[BaseModel], given: object, info: ValidationInfo, error: ValidationError
) -> list[InitErrorDetails]:
    """What the rules say that pydantic did not come to; nothing where it is not sure that the same was read."""
    if info.mode != "python" or isinstance(given, model) or not _rules(model):
        return []
    found = read(model, given, info.context)
    if found is None:
        return []
    told = places(error)
    by_a_rule = not found.wrong and not found.has_gaps and [place for _, place in told] == [()]
    if not by_a_rule and (not found.wrong or found.wrong != told):
        return []
    return list(_broken(model, found, given, info, first_is_told=by_a_rule))


def _rules(model: type[BaseModel]) -> list[Rule]:
    validators = model.__pydantic_decorators__.model_validators.values()
    return [validator.func for validator in validators if validator.info.mode == "after"]


def _broken(
    model: type[BaseModel], found: Found[BaseModel], given: object, info: ValidationInfo, *, first_is_told: bool
) -> Iterator[InitErrorDetails]:
    """Each rule that what was read breaks, but for the first one where pydantic has told it."""
    asked: object = found.part
    for rule in _rules(model):
        found.gap.met = False
        said = _ask(rule, asked, info)
        if said.answered and not found.gap.met:
            if said.back is not asked and (found.has_gaps or not isinstance(said.back, model)):
                return  # of another thing than the part, which it may have filled in its own way
            asked = said.back
            continue
        if first_is_told:
            first_is_told = False
        elif said.broken is not None and not found.gap.met:
            yield InitErrorDetails(type=said.broken, loc=(), input=given, ctx=said.why)
        if not _only_looks(model, rule):
            return  # it would have changed what the next ones look at


@dataclass(frozen=True, slots=True)
class _Said:
    """What came of asking a rule; nothing where it cannot be told from a part.

    Attributes:
        answered: whether it came to its end.
        back: what it gave back then.
        broken: the kind of mistake that it told.
        why: what goes with that.
    """

    answered: bool = False
    back: object = None
    broken: str | PydanticCustomError | None = None
    why: dict[str, Any] = field(default_factory=dict)


def _ask(rule: Rule, asked: object, info: ValidationInfo) -> _Said:
    try:
        back = rule(asked, info) if _wants_info(rule) else rule(asked)
    except PydanticCustomError as error:
        return _Said(broken=error)
    except (ValidationError, PydanticKnownError):  # pydantic's own, which knows where they belong
        return _Said()
    except AssertionError as error:
        return _Said(broken="assertion_error", why={"error": error})
    except ValueError as error:
        return _Said(broken="value_error", why={"error": error})
    except Exception:  # noqa: BLE001 - also `Unread`: it is asked again when the rest is mended
        return _Said()
    return _Said(answered=True, back=back)


def _wants_info(rule: Rule) -> bool:
    """As pydantic counts: what has no default, and is no keyword."""
    given = [one for one in inspect.signature(rule).parameters.values() if one.default is one.empty]
    return sum(one.kind in {one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD} for one in given) > 1


def _only_looks(model: type[BaseModel], rule: Rule) -> bool:
    """Whether a rule that did not come to its end would have left everything as it was."""
    code = getattr(inspect.unwrap(rule), "__code__", None)
    return bool(model.model_config.get("frozen")) and code is not None and not _CHANGES & set(code.co_names)


def _line(line: ErrorDetails) -> InitErrorDetails:
    """The same line once more: with what a plugin says in its own words as it is."""
    context = line.get("ctx", {})
    same = InitErrorDetails(type=line["type"], loc=line["loc"], input=line["input"], ctx=context)
    try:
        again = ValidationError.from_exception_data("", [same]).errors()[0]["msg"]
    except (KeyError, TypeError, ValueError):  # no kind of pydantic's, or what goes with it is missing
        again = None
    if again == line["msg"]:
        return same
    own = PydanticCustomError(line["type"], "{said}", {**context, "said": line["msg"]})
    return InitErrorDetails(type=own, loc=line["loc"], input=line["input"])


class Thorough(BaseModel):
    """The base of models that tell every mistake at once."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler, /) -> CoreSchema:
        """Around everything, so that pydantic has told what it tells."""
        own = handler(source)
        inside = cast("CoreSchema", {key: value for key, value in own.items() if key != "ref"})
        return with_info_wrap_validator_function(partial(_tell_all, cls), inside, ref=cast("Any", own).get("ref"))
