"""Settings tell every mistake at once: of single keys, and between keys as far as these could be read."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Self

import pytest
from pydantic import Field, PrivateAttr, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

from rotator.settings import Duration, PluginSettings
from rotator.validating import Unread, as_far_as_read, read_part


class Door(PluginSettings):
    """With three rules between its keys, of which one asks a property, and one what was said at all."""

    handle: str = ""
    knob: str = ""
    lock: int = Field(default=1, ge=0)
    wait: Duration = Field(default=timedelta(minutes=1), ge=timedelta(seconds=5))
    hinges: int

    @field_validator("handle")
    @classmethod
    def _plain(cls, value: str) -> str:
        return value.strip()

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if bool(self.handle) == bool(self.knob):
            raise ValueError("either handle or knob")
        return self

    @model_validator(mode="after")
    def _holds(self) -> Self:
        if self.weight > 4:
            raise ValueError("more hinges for this lock")
        return self

    @model_validator(mode="after")
    def _is_said(self) -> Self:
        if "lock" not in self.model_fields_set:
            raise ValueError("say the lock")
        return self

    @property
    def weight(self) -> float:
        return self.lock / self.hinges


class House(PluginSettings):
    """With doors inside."""

    doors: tuple[Door, ...] = ()
    storeys: int = 1

    @model_validator(mode="after")
    def _has_doors(self) -> Self:
        if not self.doors:
            raise ValueError("a house has a door")
        return self


def told(model: type[PluginSettings], given: object) -> list[tuple[tuple[int | str, ...], str]]:
    """Place and sentence of each mistake."""
    try:
        model.model_validate(given)
    except ValidationError as error:
        return [(line["loc"], line["msg"].removeprefix("Value error, ")) for line in error.errors()]
    return []


GOOD: dict[str, Any] = {"handle": "brass", "lock": 2, "hinges": 1}


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, []),
        ({"knob": "round", "lock": 8}, ["either handle or knob", "more hinges for this lock"]),
        ({"knob": "round", "wait": "1s"}, ["greater_than_equal", "either handle or knob"]),
        ({"handle": " ", "hinges": "many"}, ["int_parsing", "either handle or knob"]),
        ({"lock": -1}, ["greater_than_equal"]),
        ({"lock": -1, "hinges": 0}, ["greater_than_equal"]),
        ({"lock": 9, "colour": "red"}, ["extra_forbidden", "more hinges for this lock"]),
        ({"handle": 3, "lock": 9}, ["string_type", "more hinges for this lock"]),
    ],
)
def test_each_rule_is_asked_whose_own_keys_could_be_read(changed: dict[str, Any], expected: list[str]) -> None:
    """A rule that looks at a wrong or missing value, itself or by a property, says nothing; each other one does."""
    try:
        Door.model_validate({**GOOD, **changed})
        found = []
    except ValidationError as error:
        lines = [(line["type"], line["msg"].removeprefix("Value error, ")) for line in error.errors()]
        found = [message if kind == "value_error" else kind for kind, message in lines]
    assert found == expected


def test_a_missing_key_keeps_no_rule_of_others_from_being_told() -> None:
    """Also one that has no default."""
    assert told(Door, {"lock": 1}) == [(("hinges",), "Field required"), ((), "either handle or knob")]


def test_what_is_wrong_inside_is_told_where_it_is() -> None:
    """Settings in settings tell their own rules; the outer one's, which look at them, say nothing then."""
    doors = [{"hinges": 1, "lock": 1, "wait": "0s", "handle": "a", "knob": "b"}, GOOD]
    assert told(House, {"doors": doors, "storeys": "two"}) == [
        (("doors", 0, "wait"), "Input should be greater than or equal to 5 seconds"),
        (("doors", 0), "either handle or knob"),
        (("storeys",), "Input should be a valid integer, unable to parse string as an integer"),
    ]
    assert told(House, {"storeys": "two"})[1:] == [((), "a house has a door")]


def test_mistakes_in_a_plugins_own_words_are_kept() -> None:
    """Errors of a kind of its own, braces and all, and rules that assert."""

    class Own(PluginSettings):
        size: int = 0
        shape: str = "round"

        @field_validator("size")
        @classmethod
        def _small(cls, value: int) -> int:
            raise PydanticCustomError("too_large", "{size} is {more}", {"size": value})

        @model_validator(mode="after")
        def _is_round(self) -> Self:
            if self.shape != "round":
                raise AssertionError("it has to be round")
            return self

    assert told(Own, {"size": 7, "shape": "square"}) == [(("size",), "7 is {more}"), ((), "it has to be round")]


@pytest.mark.parametrize("given", [None, [], "a door", 3])
def test_what_is_no_mapping_has_nothing_to_be_read(given: object) -> None:
    """Told as what it is."""
    assert [place for place, _ in told(Door, given)] == [()]


def test_a_part_has_what_could_be_read_and_says_what_could_not() -> None:
    """The values that are right, as the model reads them; asked for another one it raises `Unread`."""
    part = read_part(Door, {**GOOD, "handle": " brass ", "lock": "x"})
    assert part is not None
    assert (part.handle, part.hinges, part.knob) == ("brass", 1, "")
    assert part.model_fields_set == {"handle", "lock", "hinges"}
    with pytest.raises(Unread, match="lock"):
        _ = part.lock
    with pytest.raises(Unread, match="lock"):
        _ = part.weight
    assert read_part(Door, {**GOOD, "knob": "broken rule"}) is not None
    assert read_part(Door, "no mapping") is None


def test_a_rule_outside_ends_where_it_asks_for_what_could_not_be_read() -> None:
    """What it has said until then stands."""
    part = read_part(Door, {**GOOD, "lock": "x"})
    assert part is not None
    assert list(as_far_as_read(str(getattr(part, name)) for name in ("hinges", "lock", "handle"))) == ["1"]


NO_NUMBER = "Input should be a valid integer, unable to parse string as an integer"
NO_TEXT = "Input should be a valid string"


class Cellar(PluginSettings):
    """With all that an author of a plugin may write: what looks at the whole model, and what keeps something by it."""

    depth: int = 1
    door: str = "oak"
    key: str = ""
    _steps: int = PrivateAttr(default=12)

    @field_validator("key")
    @classmethod
    def _fits(cls, value: str, info: ValidationInfo) -> str:
        if info.data["depth"] is not None and info.data["depth"] > 5 and not value:
            raise ValueError("a deep cellar has a key")
        return value or "under the mat"

    def model_post_init(self, context: Any, /) -> None:
        self._steps = 12 * self.depth

    @model_validator(mode="after")
    def _asked_by_pydantic(self, info: ValidationInfo) -> Self:
        if self.door == "glass":
            raise ValueError(f"no door of glass ({info.mode})")
        return self

    @model_validator(mode="after")
    def _climbed(self) -> Self:
        if self._steps > 40 and self.door == "iron":
            raise ValueError("too heavy for so many steps")
        return self

    @model_validator(mode="after")
    def _said(self) -> Self:
        if "depth" not in self.model_dump() or "depth" not in dict(self) or "depth" not in vars(self):
            raise ValueError("it has no depth")
        return self

    @model_validator(mode="after")
    def _written(self) -> Self:
        if "depth" not in self.model_dump_json():
            raise ValueError("no depth is written")
        return self

    @model_validator(mode="after")
    def _compared(self) -> Self:
        if self != self:
            raise ValueError("it is another one")
        return self

    @model_validator(mode="after")
    def _own_words(self) -> Self:
        if self.door == "straw":
            raise PydanticCustomError("flammable", "it {how}", {"how": "burns"})
        return self


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, []),
        ({"depth": 2, "key": "iron"}, []),
        ({"depth": 4, "door": "iron"}, [((), "too heavy for so many steps")]),
        ({"door": "glass"}, [((), "no door of glass (python)")]),
        ({"door": "straw"}, [((), "it burns")]),
        ({"depth": 9, "key": ""}, [(("key",), "a deep cellar has a key")]),
        ({"depth": 4, "door": "iron", "key": 7}, [(("key",), NO_TEXT), ((), "too heavy for so many steps")]),
        ({"depth": "x"}, [(("depth",), NO_NUMBER)]),
        ({"depth": "x", "door": "glass"}, [(("depth",), NO_NUMBER)]),
        ({"key": 7}, [(("key",), NO_TEXT)]),
    ],
)  # fmt: skip
def test_what_looks_at_the_whole_tells_no_mistake_that_there_is_not(given: object, expected: object) -> None:
    """Whatever a plugin's rules use (`info`, private attributes, dumps, what is done after reading), right settings are
    right, and beside a wrong value nothing is told that comes from its absence."""
    assert told(Cellar, given) == expected


def test_what_is_kept_beside_the_values_is_there() -> None:
    """Private attributes of right settings, and of a part, as far as they were made of what could be read."""
    assert Cellar.model_validate({"depth": 3})._steps == 36
    part = read_part(Cellar, {"depth": 3, "door": 5})
    assert part is not None
    assert part._steps == 36
    assert read_part(Cellar, {"depth": "x"}) is None
    with pytest.raises(Unread):
        part.model_dump()


def test_a_rule_that_fails_over_what_is_missing_says_nothing() -> None:
    """A fault of a rule is one only where all values were read."""

    class Frail(PluginSettings):
        size: int = 0
        shape: str = "round"

        @model_validator(mode="after")
        def _measured(self) -> Self:
            sizes = {"round": 1}
            if sizes[self.shape] > 1:
                raise ValueError("too large")
            return self

    assert told(Frail, {"size": "x", "shape": "odd"}) == [(("size",), NO_NUMBER)]
    with pytest.raises(KeyError):
        Frail.model_validate({"shape": "odd"})


def test_a_rule_that_gives_back_a_changed_model_is_followed() -> None:
    """As pydantic does: the next rule sees what this one has made."""

    class Filled(PluginSettings):
        high: int = 0
        wide: int = 0

        @model_validator(mode="after")
        def _square(self) -> Self:
            return self if self.wide else self.model_copy(update={"wide": self.high})

        @model_validator(mode="after")
        def _has_width(self) -> Self:
            if not self.wide:
                raise ValueError("it has no width")
            return self

    assert Filled.model_validate({"high": 3}).wide == 3
    assert told(Filled, {}) == [((), "it has no width")]
