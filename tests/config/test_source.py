"""YAML with places: what stands where, and texts that are no YAML."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rotator.config.source import read, shown

TEXT = """\
mode: observe
limits: {at_once: 4, share: 1.5e3}
names:
  - a.example.com
  - {b: 0o17, c: ~, d: true}
quoted: "0017"
time: 02:00
day: 2026-01-01
merged: {<<: &base {x: 1, y: 2}, x: 5}
"""


def test_values_are_plain_and_of_yaml_1_2() -> None:
    """Shows each kind of scalar, and that times, dates and quoted numbers stay texts."""
    document = read(TEXT, "c.yaml")
    assert document.problems == []
    assert document.tree == {
        "mode": "observe",
        "limits": {"at_once": 4, "share": 1500.0},
        "names": ["a.example.com", {"b": 15, "c": None, "d": True}],
        "quoted": "0017",
        "time": "02:00",
        "day": "2026-01-01",
        "merged": {"x": 5, "y": 2},
    }


def test_every_key_and_value_has_its_place() -> None:
    """Shows lines and columns counted from one, and that what does not exist is placed at what holds it."""
    document = read(TEXT, "c.yaml")
    assert document.keys["limits", "at_once"] == (2, 10)
    assert document.values["limits", "at_once"] == (2, 19)
    assert document.values["names", 1, "c"] == (5, 18)
    problem = document.problem(("limits", "absent", 3), "wrong")
    assert (problem.line, problem.column, problem.path) == (2, 1, "limits.absent[3]")
    assert str(document.problem(("names", 0), "wrong")) == "c.yaml:4:5: names[0]: wrong"
    assert document.problem((), "wrong").line == 1


def test_a_path_reads_like_the_file() -> None:
    """Shows the form of a path in messages."""
    assert shown(("certificates", 0, "targets", 1, "files", "key")) == "certificates[0].targets[1].files.key"


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("a: b: c", 1, "mapping values are not allowed here"),
        ("a: [1, 2", 1, "expected ',' or ']'"),
        ("a: 1\n\tb: 2", 2, "cannot start any token"),
        ("a: 1\n---\nb: 2", 2, "expected a single document"),
        ("a: *nope", 1, "undefined alias 'nope'"),
        ("a: \x00", 1, "this is no YAML"),
        ("a: 1\nb: {c: 1, c: 2}\n", 2, "'c' stands here twice"),
        ("a: 1\na: 2\n", 2, "'a' stands here twice"),
        ("a: &x [*x]", 1, "refers to itself"),
        ("a: !!python/object:os.system x", 1, "has no meaning here"),
        ("a: !secret x", 1, "has no meaning here"),
        ("? [a]\n: b", 1, "a key is a plain text"),
        ("a: {<<: 5}", 1, "only a mapping can be merged"),
        ('a: "/etc/tls\\0.pem"', 1, r"'\x00' stands in no text"),
        (r'a: "\ud800"', 1, r"'\ud800' stands in no text"),
        ("[" * 1000, 1, "nested too deeply"),
    ],
)
def test_what_is_no_yaml_is_a_sentence_with_a_place(text: str, line: int, message: str) -> None:
    """Shows that broken text, duplicate keys, tags and loops are mistakes with a line, and create nothing."""
    (problem,) = read(text, "c.yaml").problems
    assert problem.line == line
    assert message in problem.message


def test_every_duplicate_key_is_told() -> None:
    """Shows that one mistake in the text does not hide the next one."""
    assert len(read("a: 1\na: 2\nb: {x: 1, x: 2}\nb: 3\n", "c.yaml").problems) == 3


def test_anchors_cannot_multiply_without_bound() -> None:
    """Shows that a few lines which would expand to millions of values are refused in seconds."""
    bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n"
    for previous, letter in zip("abcdefgh", "bcdefghi", strict=True):
        bomb += f"{letter}: &{letter} [{','.join([f'*{previous}'] * 9)}]\n"
    began = time.monotonic()
    (problem,) = read(bomb, "c.yaml").problems
    assert "values" in problem.message
    assert time.monotonic() - began < 30


@given(st.text(max_size=200))
def test_any_text_is_read_or_is_a_problem(text: str) -> None:
    """Shows that no text whatever raises anything."""
    document = read(text, "c.yaml")
    assert document.tree is None or not document.problems or document.problems[0].line >= 1
