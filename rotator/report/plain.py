"""Text that others wrote, made safe to show: names in certificates are chosen by whoever asked for them."""

from __future__ import annotations

import re

MOST = 2000
"""Longer texts are cut: a certificate may carry a name of a megabyte, and a reader needs none of it."""

_NOT_IN_JSON = re.compile("[\ud800-\udfff\u2028\u2029\x85]")


def visible(text: str, most: int = MOST) -> str:
    r"""The text on one line, with every sign that would not show itself as an escape: `\n`, `\x1b`, `\u202e`, `\udc80`.

    What is longer than `most` signs is cut, and says how long it was.
    """
    if len(text) > most:
        text = f"{text[:most]}… ({len(text)} characters)"
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() else _escaped(sign) for sign in text)


def _escaped(sign: str) -> str:
    return sign.encode("unicode_escape").decode("ascii")


def safe_json(text: str) -> str:
    r"""JSON that any stream and any reader of lines takes: lone surrogates (a byte of a path that is not UTF-8, as
    `\udc80`) and the line breaks beyond ASCII are escaped; they stand in strings alone."""
    return text if text.isascii() else _NOT_IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
