"""The comments beside the words of the code: the meaning of a member of an enum, of a check in a chain."""

from __future__ import annotations

import ast
import inspect
import io
import tokenize
from collections.abc import Iterator
from types import ModuleType


def enum_comments(module: ModuleType, name: str) -> dict[str, list[tuple[str, str]]]:
    """The members of an enum as (value, comment), under the comment lines that stand between them."""
    source = inspect.getsource(module)
    body = next(node for node in ast.parse(source).body if isinstance(node, ast.ClassDef) and node.name == name)
    beside, alone = _comments(source)
    found: dict[str, list[tuple[str, str]]] = {}
    title = ""
    lines = {node.lineno: node for node in body.body if isinstance(node, ast.Assign)}
    for number in range(body.lineno, (body.end_lineno or body.lineno) + 1):
        if number in alone:
            title = alone[number]
        elif number in lines and isinstance(lines[number].value, ast.Constant):
            value = ast.literal_eval(lines[number].value)
            found.setdefault(title, []).append((str(value), beside.get(number, "")))
    return found


def tuple_comments(module: ModuleType, name: str) -> Iterator[tuple[str, str]]:
    """The entries of a tuple of functions as (function, comment)."""
    source = inspect.getsource(module)
    beside, _ = _comments(source)
    for node in ast.parse(source).body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id == name:
            assert isinstance(node.value, ast.Tuple)
            for entry in node.value.elts:
                assert isinstance(entry, ast.Attribute)
                yield entry.attr, beside.get(entry.lineno, "")


def _comments(source: str) -> tuple[dict[int, str], dict[int, str]]:
    """Comments by line: those beside code, and those that have a line of their own."""
    beside: dict[int, str] = {}
    alone: dict[int, str] = {}
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            text = token.string.lstrip("# ").rstrip()
            (alone if token.line.lstrip().startswith("#") else beside)[token.start[0]] = text
    return beside, alone
