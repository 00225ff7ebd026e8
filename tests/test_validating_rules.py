"""Rules of plugins' authors, as pydantic lets them be written, are asked as it asks them and tell nothing false."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any, Self

import pytest
from pydantic import (
    AliasPath,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    PrivateAttr,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError, to_jsonable_python

from rotator.settings import PluginSettings
from rotator.validating import Unread, read_part

FALSE = "this is told of what was not read"


def told(model: type[PluginSettings], given: object, context: object = None) -> list[str]:
    """Kind of each mistake; of a rule its sentence."""
    try:
        model.model_validate(given, context=context)
    except ValidationError as error:
        lines = error.errors()
        return [line["msg"].partition(", ")[2] if not line["loc"] else f"{line['loc'][0]}: wrong" for line in lines]
    return []


class Shelf(PluginSettings):
    """A base of the settings below: `width` is the key that is wrong."""

    width: int = 1
    boards: int = 1


class Informed(Shelf):
    """With rules that ask what pydantic tells of the validation."""

    @field_validator("boards")
    @classmethod
    def _even(cls, value: int, info: ValidationInfo) -> int:
        if "width" in info.data and value > info.data["width"]:
            raise ValueError("too many boards")
        return value

    @model_validator(mode="after")
    def _within(self, info: ValidationInfo) -> Self:
        if self.boards > (info.context or {}).get("most", 5):
            raise ValueError("more boards than there are")
        return self

    @model_validator(mode="after")
    def _not_alone(self, _info: ValidationInfo) -> Self:
        if self.boards == 7:
            raise ValueError("seven is odd")
        return self


@pytest.mark.parametrize(
    ("given", "context", "expected"),
    [
        ({"width": 3, "boards": 2}, None, []),
        ({"width": 9, "boards": 7}, {"most": 8}, ["seven is odd"]),
        ({"width": 9, "boards": 7}, None, ["more boards than there are", "seven is odd"]),
        ({"width": "x", "boards": 6}, None, ["width: wrong", "more boards than there are"]),
        ({"width": "x", "boards": 7}, {"most": 8}, ["width: wrong", "seven is odd"]),
        ({"width": 1, "boards": 2}, None, ["boards: wrong"]),
    ],
)
def test_rules_may_ask_what_is_known_of_the_validation(given: object, context: object, expected: list[str]) -> None:
    """Rules that take pydantic's `info` get it, with right settings and beside wrong ones."""
    assert told(Informed, given, context) == expected


def test_a_rule_gets_the_information_that_pydantic_gives_it() -> None:
    """Beside a wrong value the same as with right ones."""
    seen: list[tuple[Any, ...]] = []

    class Noting(Shelf):
        @model_validator(mode="after")
        def _note(self, info: ValidationInfo) -> Self:
            seen.append((info.mode, info.context, dict(info.data or {}), info.config, info.field_name))
            return self

    told(Noting, {"width": 1}, "context")
    told(Noting, {"width": "x"}, "context")
    right, wrong = seen
    assert right == wrong


def test_right_settings_are_pydantics_own_affair() -> None:
    """Each rule is asked once, and of the very thing that comes out."""
    asked: list[object] = []

    class Asking(Shelf):
        @model_validator(mode="after")
        def _ask(self) -> Self:
            asked.append(self)
            return self

    read = Asking.model_validate({"width": 2})
    assert len(asked) == 1
    assert asked[0] is read
    assert type(read) is Asking


class Filling(Shelf):
    """With private attributes, of which one is made from the keys."""

    _label: str = PrivateAttr(default="oak")
    _area: int = PrivateAttr()

    def model_post_init(self, context: object, /) -> None:
        self._area = 10 * self.boards

    @model_validator(mode="after")
    def _is_small(self) -> Self:
        if self._area > 30:
            raise ValueError(f"the {self._label} shelf is too large")
        return self

    @model_validator(mode="after")
    def _is_even(self) -> Self:
        if self.boards % 2:
            raise ValueError("boards come in pairs")
        return self


def test_private_attributes_are_there_for_rules() -> None:
    """Also what `model_post_init` makes of what could be read."""
    assert Filling.model_validate({"boards": 2})._area == 20
    assert told(Filling, {"boards": 5}) == ["the oak shelf is too large", "boards come in pairs"]
    assert told(Filling, {"boards": 5, "width": "x"}) == [
        "width: wrong",
        "the oak shelf is too large",
        "boards come in pairs",
    ]
    part = read_part(Filling, {"boards": 2, "width": "x"})
    assert part is not None
    assert (part._label, part._area) == ("oak", 20)


def test_no_rule_is_asked_where_what_they_look_at_was_made_from_what_is_wrong() -> None:
    """`model_post_init` that needs the wrong key could not make it."""

    class Made(Shelf):
        _area: int = PrivateAttr(default=0)

        def model_post_init(self, context: object, /) -> None:
            try:
                self._area = self.width * self.boards
            except Exception:
                self._area = 0

        @model_validator(mode="after")
        def _has_an_area(self) -> Self:
            if not self._area:
                raise ValueError(FALSE)
            return self

    assert told(Made, {"width": 2, "boards": 2}) == []
    assert told(Made, {"width": "x", "boards": 2}) == ["width: wrong"]
    assert read_part(Made, {"width": "x", "boards": 2}) is None


class Wider(PluginSettings):
    """What settings may be read into once more."""

    model_config = ConfigDict(from_attributes=True)
    width: int = 0


def _swallowed(look: Callable[[Any], object]) -> Callable[[Any], object]:
    def looked(shelf: Any) -> object:
        try:
            return look(shelf)
        except Exception:
            return None

    return looked


LOOKS: dict[str, Callable[[Any], object]] = {
    "value": lambda shelf: shelf.width,
    "getattr": lambda shelf: getattr(shelf, "width", None),
    "hasattr": lambda shelf: hasattr(shelf, "width"),
    "dumped": lambda shelf: shelf.model_dump(),
    "as JSON": lambda shelf: shelf.model_dump_json(),
    "by an adapter": lambda shelf: TypeAdapter(Any).dump_python(shelf),
    "by a function": to_jsonable_python,
    "within another": lambda shelf: TypeAdapter(list[Shelf]).dump_python([shelf]),
    "as a dict": dict,
    "its dict": lambda shelf: shelf.__dict__.get("width"),
    "vars": vars,
    "shown": repr,
    "as text": str,
    "compared": lambda shelf: shelf == Shelf(),
    "compared with": lambda shelf: Shelf() == shelf,
    "hashed": hash,
    "copied": lambda shelf: shelf.model_copy(update={"boards": 2}),
    "copied by Python": copy.copy,
    "copied deeply": copy.deepcopy,
    "pickled": pickle.dumps,
    "read again": lambda shelf: Wider.model_validate(shelf),
    "key error": lambda shelf: dict[str, int]()["width"],
    "type error": lambda shelf: len(None),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("name", [name for name in LOOKS if "error" not in name])
@pytest.mark.parametrize("wrap", [lambda look: look, _swallowed], ids=["plain", "swallowed"])
def test_a_rule_that_comes_upon_what_was_not_read_says_nothing(name: str, wrap: Callable[..., Any]) -> None:
    """However it looks, at the value or at the settings as a whole, and also where it swallows what comes then."""
    look = wrap(LOOKS[name])

    class Looking(Shelf):
        @model_validator(mode="after")
        def _looks(self) -> Self:
            look(self)
            raise ValueError(FALSE)

        @model_validator(mode="after")
        def _few(self) -> Self:
            if self.boards > 3:
                raise ValueError("too many boards")
            return self

    assert told(Looking, {"width": "x", "boards": 4}) == ["width: wrong", "too many boards"]
    assert told(Looking, {"width": 1, "boards": 1, "colour": "red"})[0] == "colour: wrong"


@pytest.mark.parametrize("name", ["key error", "type error"])
def test_what_else_goes_wrong_in_a_rule_beside_a_mistake_is_no_mistake(name: str) -> None:
    """An error that tells no mistake leaves the rule unasked."""

    class Failing(Shelf):
        @model_validator(mode="after")
        def _fails(self) -> Self:
            LOOKS[name](self)
            return self

    assert told(Failing, {"width": "x"}) == ["width: wrong"]
    with pytest.raises((KeyError, TypeError)):
        Failing.model_validate({"width": 1})


def test_a_field_validator_finds_no_wrong_value_among_what_was_read() -> None:
    """In `info.data` a key that could not be read is missing, as everywhere in pydantic, and never empty."""
    seen: list[dict[str, Any]] = []

    class Noting(PluginSettings):
        width: int = 1
        depth: int = 1
        boards: int = 1

        @field_validator("boards")
        @classmethod
        def _note(cls, value: int, info: ValidationInfo) -> int:
            seen.append(dict(info.data))
            return value

        @model_validator(mode="after")
        def _ask(self) -> Self:
            return self

    assert told(Noting, {"width": "x", "depth": 3, "boards": 2}) == ["width: wrong"]
    read_part(Noting, {"width": "x", "depth": 3, "boards": 2})
    assert seen
    assert all(data == {"depth": 3} for data in seen)


def test_a_default_made_from_a_wrong_value_is_not_read_either() -> None:
    """No rule sees a value that follows from what was not read."""

    class Derived(PluginSettings):
        width: int = 1
        boards: int = Field(default_factory=lambda data: data["width"] * 2)

        @model_validator(mode="after")
        def _has_boards(self) -> Self:
            if self.boards < 3:
                raise ValueError("too few boards")
            return self

    assert told(Derived, {"width": 1}) == ["too few boards"]
    assert told(Derived, {"width": "x"})[0] == "width: wrong"
    assert "too few boards" not in told(Derived, {"width": "x"})


def test_a_rule_that_would_have_changed_the_settings_ends_the_asking() -> None:
    """Beside a wrong value it could not; what the next ones say would come from what it left."""

    class Changing(Shelf):
        @model_validator(mode="after")
        def _fill(self) -> Self:
            if self.width > 1:
                object.__setattr__(self, "boards", 4)
            return self

        @model_validator(mode="after")
        def _has_boards(self) -> Self:
            if self.boards < 4:
                raise ValueError(FALSE)
            return self

    assert told(Changing, {"width": 2}) == []
    assert told(Changing, {"width": "x"}) == ["width: wrong"]

    class Loose(Shelf):
        model_config = ConfigDict(frozen=False)

        @model_validator(mode="after")
        def _fill(self) -> Self:
            self.boards = self.width * 4
            return self

        @model_validator(mode="after")
        def _has_boards(self) -> Self:
            if self.boards < 4:
                raise ValueError(FALSE)
            return self

    assert told(Loose, {"width": 2}) == []
    assert told(Loose, {"width": "x"}) == ["width: wrong"]


def test_a_rule_that_gives_back_something_else_is_followed_as_pydantic_does() -> None:
    """With all values read the next rules see it; beside a wrong one nobody knows what it would have been."""

    class Replacing(Shelf):
        @model_validator(mode="after")
        def _replace(self) -> Self:
            return Replacing.model_construct(boards=self.boards + 1, width=1)  # type: ignore[return-value]

        @model_validator(mode="after")
        def _few(self) -> Self:
            if self.boards > 3:
                raise ValueError("too many boards")
            return self

        @model_validator(mode="after")
        def _even(self) -> Self:
            if self.boards % 2:
                raise ValueError(f"{self.boards} is odd")
            return self

    assert told(Replacing, {"boards": 1}) == []
    assert told(Replacing, {"boards": 4}) == ["too many boards", "5 is odd"]
    assert told(Replacing, {"boards": 4, "width": "x"}) == ["width: wrong"]


def test_mistakes_keep_their_kind() -> None:
    """Those of a plugin's own kinds, of pydantic's names for other things, of assertions and of rules."""

    class Own(PluginSettings):
        size: int = 0
        shape: str = "round"

        @field_validator("size")
        @classmethod
        def _small(cls, value: int) -> int:
            raise PydanticCustomError("too_long", "{size} is long", {"size": value})

        @model_validator(mode="after")
        def _is_round(self) -> Self:
            raise PydanticCustomError("edgy", "{shape} has edges", {"shape": self.shape})

        @model_validator(mode="after")
        def _is_short(self) -> Self:
            raise AssertionError("not so long")

    with pytest.raises(ValidationError) as caught:
        Own.model_validate({"size": 3, "shape": "square"})
    assert [(line["type"], line["msg"]) for line in caught.value.errors()] == [
        ("too_long", "3 is long"),
        ("edgy", "square has edges"),
        ("assertion_error", "Assertion failed, not so long"),
    ]


class Aliased(PluginSettings):
    """With keys that are written in other ways than they are called."""

    width: int = Field(default=1, alias="boards")
    boards: int = Field(default=1, alias="count")
    depth: int = Field(default=1, validation_alias=AliasPath("count_of", 0))

    @model_validator(mode="after")
    def _few(self) -> Self:
        if self.boards > 3:
            raise ValueError(f"{self.boards} boards, of {sorted(self.model_fields_set)}")
        return self


def test_keys_with_other_names_are_not_taken_for_each_other() -> None:
    """A name that is another key's alias as well."""
    assert told(Aliased, {"boards": "x", "count": 4})[1:] == ["4 boards, of ['boards', 'width']"]
    part = read_part(Aliased, {"boards": 2, "count": "x", "count_of": [5]})
    assert part is not None
    assert (part.width, part.depth) == (2, 5)
    with pytest.raises(Unread):
        _ = part.boards


def test_what_was_given_is_not_guessed() -> None:
    """A default that is validated cannot be told from the same value given, and a rule that asks is silent."""

    class Validated(PluginSettings):
        width: int = 1
        boards: int = Field(default=1, validate_default=True)

        @model_validator(mode="after")
        def _is_said(self) -> Self:
            if "boards" in self.model_fields_set:
                raise ValueError("leave out boards")
            return self

    assert told(Validated, {"boards": 1}) == ["leave out boards"]
    assert told(Validated, {"width": "x", "boards": 1}) == ["width: wrong"]
    assert told(Validated, {"width": "x"}) == ["width: wrong"]
    assert told(Validated, {"width": "x", "boards": 2}) == ["width: wrong", "leave out boards"]


class Around(Shelf):
    """With a validator around the whole."""

    @model_validator(mode="wrap")
    @classmethod
    def _around(cls, given: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        return handler({"width": 1, **given})

    @model_validator(mode="after")
    def _few(self) -> Self:
        raise ValueError(FALSE)


class Open(Shelf):
    """Which takes any key."""

    model_config = ConfigDict(extra="allow")

    @model_validator(mode="after")
    def _has_more(self) -> Self:
        if not self.model_extra:
            raise ValueError(FALSE)
        return self


class Made(Shelf):
    """Which is put together by code of its own."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**{"boards": 9, **given})

    @model_validator(mode="after")
    def _has_boards(self) -> Self:
        if self.boards < 9:
            raise ValueError(FALSE)
        return self


@pytest.mark.parametrize("model", [Around, Open, Made])
def test_settings_of_which_nobody_can_tell_a_part_are_left_to_pydantic(model: type[PluginSettings]) -> None:
    """It tells the single keys, and the rules when these are mended."""
    assert told(model, {"width": "x", "colour": "red"})[0] == "width: wrong"
    assert FALSE not in told(model, {"width": "x", "colour": "red"})
    assert read_part(model, {"width": "x"}) is None


class Tree(PluginSettings):
    """Settings within their own kind."""

    height: int = 1
    broad: bool = False
    left: Tree | None = None
    right: Tree | None = None

    @model_validator(mode="after")
    def _grows(self) -> Self:
        if self.height < 1:
            raise ValueError("it grows upwards")
        return self

    @model_validator(mode="after")
    def _is_narrow(self) -> Self:
        if self.broad:
            raise ValueError("too broad")
        return self


def test_each_mistake_is_told_once_in_settings_within_their_own_kind() -> None:
    """The broken rules of each, in its place."""
    low = {"height": 0, "broad": True}
    with pytest.raises(ValidationError) as caught:
        Tree.model_validate({"left": low, "right": {"height": "x", "broad": True}, "height": 0})
    assert sorted((line["loc"], line["msg"].partition(", ")[2]) for line in caught.value.errors()) == [
        ((), "it grows upwards"),
        (("left",), "it grows upwards"),
        (("left",), "too broad"),
        (("right",), "too broad"),
        (("right", "height"), "unable to parse string as an integer"),
    ]
    assert told(Tree, low) == ["it grows upwards", "too broad"]


@pytest.mark.parametrize(
    "read",
    [
        lambda: Informed.model_validate({"width": "1", "boards": 7}, strict=True),
        lambda: Informed.model_validate_json('{"width": "x", "boards": 7}'),
        lambda: Informed(width="x", boards=7),
    ],
    ids=["strict", "JSON", "called"],
)
def test_other_ways_to_read_tell_nothing_else(read: Callable[[], object]) -> None:
    """What reads it in another way than the config tells the mistakes that pydantic tells, and at most true ones."""
    with pytest.raises(ValidationError) as caught:
        read()
    lines = [(line["loc"], line["msg"].partition(", ")[2]) for line in caught.value.errors()]
    assert lines[0][0] == ("width",)
    assert {line for line in lines[1:]} <= {((), "more boards than there are"), ((), "seven is odd")}


def test_what_was_given_stays_hidden_where_it_is_to_be() -> None:
    """Also with the rules' mistakes added."""

    class Hiding(Shelf):
        model_config = ConfigDict(hide_input_in_errors=True)

        @model_validator(mode="after")
        def _few(self) -> Self:
            raise ValueError("too many boards")

    with pytest.raises(ValidationError) as caught:
        Hiding.model_validate({"width": "hunter2"})
    assert "too many boards" in str(caught.value)
    assert "hunter2" not in str(caught.value)
