"""Patterns for files: what matches, and what is told of when it could not be looked at."""

from __future__ import annotations

from pathlib import Path

import pytest

from rotator.lib.globs import expand


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in (
        "a.crt", "b.crt", "b.key", ".hidden.crt", "[x].crt", "shop/tls.crt", "shop/deep/er/tls.crt", "pay/tls.crt",
        ".git/tls.crt",
    ):  # fmt: skip
        path = tmp_path / "etc" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path / "etc"


def found(tree: Path, pattern: str) -> tuple[list[str], list[str]]:
    told: list[str] = []
    paths = [str(path.relative_to(tree)) for path in expand(f"{tree}/{pattern}", told.append)]
    return paths, told


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("*.crt", ["[x].crt", "a.crt", "b.crt"]),
        ("?.crt", ["a.crt", "b.crt"]),
        ("[ab].crt", ["a.crt", "b.crt"]),
        ("[[]x].crt", ["[x].crt"]),
        ("a.crt", ["a.crt"]),
        (".*.crt", [".hidden.crt"]),
        ("*/tls.crt", ["pay/tls.crt", "shop/tls.crt"]),
        ("**/tls.crt", ["pay/tls.crt", "shop/deep/er/tls.crt", "shop/tls.crt"]),
        ("**/er/**/*.crt", ["shop/deep/er/tls.crt"]),
        ("shop/**", ["shop/deep/er/tls.crt", "shop/tls.crt"]),
        ("**/**/tls.crt", ["pay/tls.crt", "shop/deep/er/tls.crt", "shop/tls.crt"]),
        ("*/no.crt", []),
        ("*.pem", []),
    ],
)
def test_what_matches(tree: Path, pattern: str, names: list[str]) -> None:
    """As in a shell, each file once; a pattern that matches nothing in a folder that exists is no problem."""
    paths, told = found(tree, pattern)

    assert sorted(paths) == sorted(names)
    assert told == []


def test_links_to_folders(tree: Path) -> None:
    """`*` follows a link, `**` does not: it could lead in a circle, or to the whole disk."""
    (tree / "circle").symlink_to(tree)
    (tree / "elsewhere").symlink_to(tree / "shop")

    assert found(tree, "*/tls.crt")[0] == ["elsewhere/tls.crt", "pay/tls.crt", "shop/tls.crt"]
    assert found(tree, "**/tls.crt")[0] == ["pay/tls.crt", "shop/tls.crt", "shop/deep/er/tls.crt"]


def test_links_in_a_circle(tree: Path) -> None:
    """A link that leads to itself is found like a file: whoever reads it says what is wrong."""
    (tree / "loop.crt").symlink_to("loop.crt")

    assert "loop.crt" in found(tree, "*.crt")[0]
    assert found(tree, "loop.crt") == (["loop.crt"], [])


@pytest.mark.parametrize(
    ("pattern", "told"),
    [
        ("no/such/*.crt", "no/such: No such file or directory"),
        ("no.crt", "no.crt does not exist"),
        ("shop", "shop is a folder; write"),
        ("a.crt/*.pem", "a.crt: Not a directory"),
    ],
)
def test_what_could_not_be_looked_at_is_told(tree: Path, pattern: str, told: str) -> None:
    """A folder that is not there may be a disk that is not mounted: never silence."""
    paths, said = found(tree, pattern)

    assert paths == []
    assert len(said) == 1
    assert f"{tree}/{told}" in said[0]
