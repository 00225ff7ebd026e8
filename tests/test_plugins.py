"""Plugins are found by entry points, and what is wrong with one is a sentence."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from rotator.plugins import Group, PluginError, UnknownKind, find, kinds, settings_class
from tests.config.packages import install

PLUGIN = """
from rotator.settings import PluginSettings
class Settings_(PluginSettings):
    place: str
class Good:
    Settings = Settings_
class NoPlugin:
    pass
"""


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of installed packages, with one that works and some that do not."""
    install(
        tmp_path,
        "rotator-good",
        {"sources": {"goodsource": "good_plugin:Good", "noplugin": "good_plugin:NoPlugin"}},
        {"good_plugin": PLUGIN},
    )
    install(
        tmp_path,
        "rotator-extra",
        {"issuers": {"needy": "needy_plugin:Needy", "cut": "cut_plugin:Cut", "angry": "angry_plugin:Angry"}},
        {
            "needy_plugin": "import lexicon_absent\n",
            "cut_plugin": "from rotator.settings import Nothing\n",
            "angry_plugin": "raise RuntimeError('no licence')\n",
        },
        requires=["dns-lexicon_absent>=3; extra == 'dns'"],
    )
    install(tmp_path, "rotator-twin", {"sources": {"goodsource": "twin_plugin:Good"}}, {"twin_plugin": PLUGIN})
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in [name for name in sys.modules if name.endswith("_plugin")]:
        monkeypatch.delitem(sys.modules, name)
    return tmp_path


@pytest.mark.parametrize(
    ("group", "kind"),
    [("sources", "files"), ("issuers", "acme"), ("targets", "kubernetes_secret"), ("alerters", "log")],
)
def test_the_kinds_that_come_with_rotator_are_listed(group: Group, kind: str) -> None:
    """Shows that rotator's own plugins are found the way a third party's are, without an import."""
    assert kind in kinds(group)
    assert list(kinds(group)) == sorted(kinds(group))


def test_an_installed_package_adds_a_kind(packages: Path) -> None:
    """Shows that an entry point is all it takes, and that two packages with one kind are told apart by name."""
    assert "needy" in kinds("issuers")
    with pytest.raises(PluginError, match="claimed by rotator-good, rotator-twin"):
        find("sources", "goodsource")


def test_a_kind_is_found_with_its_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Shows that class and settings of a third party's plugin are those of its module."""
    install(tmp_path, "rotator-lone", {"sources": {"lone": "lone_plugin:Good"}}, {"lone_plugin": PLUGIN})
    monkeypatch.syspath_prepend(str(tmp_path))
    assert find("sources", "lone").__name__ == "Good"
    assert set(settings_class("sources", "lone").model_fields) == {"place"}


def test_an_unknown_kind_gets_the_nearest_name() -> None:
    """Shows that a misspelt kind is answered with the one that was meant, and a wild one with all there are."""
    with pytest.raises(UnknownKind, match="did you mean kubernetes_secret") as caught:
        find("targets", "kubernets_secret")
    assert caught.value.nearest == "kubernetes_secret"
    with pytest.raises(UnknownKind, match="there are alertmanager, log") as caught:
        find("alerters", "zzz")
    assert caught.value.nearest == ""


@pytest.mark.parametrize(
    ("group", "kind", "message"),
    [
        ("issuers", "needy", r"needs lexicon_absent; install it with: pip install 'rotator-extra\[dns\]'"),
        ("issuers", "cut", "cannot be imported: cannot import name 'Nothing'"),
        ("issuers", "angry", "of rotator-extra cannot be loaded: no licence"),
        ("sources", "noplugin", "is no plugin"),
    ],
)
def test_a_plugin_that_cannot_be_used_is_one_sentence(packages: Path, group: Group, kind: str, message: str) -> None:
    """Shows that a missing library names its extra, and that any other failure names package and cause."""
    with pytest.raises(PluginError, match=message):
        find(group, kind)
