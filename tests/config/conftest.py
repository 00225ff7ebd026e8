"""Kinds that exist only for these tests, installed the way a third party's are."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.config.packages import install

MODULE = '''
from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import BaseModel, Field, model_validator

from rotator.settings import Duration, PluginSettings, SecretRef


class Nested(PluginSettings):
    depth: int = Field(default=1, ge=1)


class ShelfSettings(PluginSettings):
    """A shelf.

    Attributes:
        place: where the shelf
            stands.
    """

    place: str
    settle: Duration | None = None
    token: SecretRef | None = None
    tokens: tuple[SecretRef, ...] = ()
    named: Mapping[str, SecretRef] = {}
    colour: Literal["red", "green"] | None = None
    nested: Nested = Nested()
    stickers: tuple[str, ...] = ()


class ListSettings(PluginSettings):
    boxes: tuple[str, ...] = Field(min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _bare(cls, given):
        return {"boxes": given} if isinstance(given, list) else given


class Opaque:
    pass


class OddSettings(PluginSettings):
    model_config = {"arbitrary_types_allowed": True}
    thing: Opaque | None = None


class Shelf:
    Settings = ShelfSettings


class Boxes:
    Settings = ListSettings


class Odd:
    Settings = OddSettings


class Quiet:
    Settings = ListSettings
    reaches_people = False
'''


@pytest.fixture(autouse=True)
def shelves(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A kind `shelf` in every group, `boxes` that takes a bare list, `odd` without a schema, `broken`, `quiet`."""
    folder = tmp_path_factory.mktemp("packages")
    groups = {group: {"shelf": "shelf_plugin:Shelf"} for group in ("sources", "issuers", "targets", "alerters")}
    groups["sources"] |= {"boxes": "shelf_plugin:Boxes", "odd": "shelf_plugin:Odd", "broken": "broken_plugin:Broken"}
    groups["alerters"] |= {"quiet": "shelf_plugin:Quiet"}
    install(
        folder,
        "rotator-shelf",
        groups,
        {"shelf_plugin": MODULE, "broken_plugin": "import absent_library\n"},
        requires=["absent-library>=1; extra == 'shelves'"],
    )
    monkeypatch.syspath_prepend(str(folder))
    yield folder
    for name in ("shelf_plugin", "broken_plugin"):
        sys.modules.pop(name, None)
