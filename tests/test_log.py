"""Logs: one line an event, whoever says it, and no secret in any of them."""

from __future__ import annotations

import base64
import io
import json
import logging
import warnings
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from rotator import log
from rotator.core.csr import new_key
from rotator.core.model import Bundle, Chain, KeySpec
from tests.pki import self_signed

START = datetime(2026, 3, 1, tzinfo=UTC)
KEY = new_key(KeySpec("ecdsa", 256))
BODY = "".join(KEY.decode().splitlines()[1:-1])  # what must never be seen, in any length worth having


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """Logs that are configured for one test, with what was there before put back after it."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    log.configure(level="debug", stream=stream)
    try:
        yield stream
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        logging.captureWarnings(capture=False)
        structlog.reset_defaults()


def only(stream: io.StringIO) -> dict[str, Any]:
    """The one line that was written."""
    (line,) = stream.getvalue().splitlines()
    found: dict[str, Any] = json.loads(line)
    return found


def leaked(text: str) -> bool:
    """Whether 16 characters of the key in a row can be read in it, however its lines are broken."""
    flat = text.replace("\\n", "").replace("\n", "").replace(" ", "")
    encoded = base64.b64encode(KEY).decode()
    return any(
        part in flat for whole in (BODY, encoded) for part in (whole[i : i + 16] for i in range(len(whole) - 15))
    )


def test_an_event_is_one_json_line_with_its_time_level_and_origin(lines: io.StringIO) -> None:
    """Our own events carry when, how grave, from where and their fields."""
    log.logger("rotator.app").info("looked", certificates=40, took="2s")
    event = only(lines)
    assert event.pop("timestamp").endswith("Z")
    assert event == {"event": "looked", "level": "info", "logger": "rotator.app", "certificates": 40, "took": "2s"}


def test_the_logs_of_libraries_come_out_alike(lines: io.StringIO) -> None:
    """What a library says through the standard library is the same kind of line, its arguments filled in, redacted."""
    logging.getLogger("uvicorn.error").warning("started on %s with %s", "[::]:8080", KEY.decode())
    event = only(lines)
    assert event["event"].rstrip() == "started on [::]:8080 with [key removed]"
    assert (event["level"], event["logger"]) == ("warning", "uvicorn.error")


def test_warnings_are_logged(lines: io.StringIO) -> None:
    """A Python warning becomes an event, not a stray text on stderr."""
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        log.configure(level="info", stream=lines)
        warnings.warn("old", DeprecationWarning, stacklevel=1)
    assert "DeprecationWarning: old" in only(lines)["event"]


@pytest.mark.parametrize("name", ["urllib3.connectionpool", "kubernetes.client.rest"])
def test_what_libraries_say_of_bodies_and_paths_is_never_shown(lines: io.StringIO, name: str) -> None:
    """Even at level debug: urllib3 would log the path of a webhook, kubernetes the contents of a Secret."""
    logging.getLogger(name).debug('"POST /services/T000/B000/secret"')
    assert lines.getvalue() == ""


@pytest.mark.parametrize("format", ["json", "console"])
def test_a_key_in_a_traceback_is_taken_out(lines: io.StringIO, format: log.Format) -> None:
    """Neither the message of an error, nor its cause, nor a local variable brings a key into the log."""
    log.configure(format=format, stream=lines)

    def load(bundle_text: str) -> None:
        raise ValueError(f"cannot load {bundle_text}")

    def deploy() -> None:
        try:
            load(KEY.decode())
        except ValueError as error:
            raise RuntimeError(repr(KEY)) from error

    try:
        deploy()
    except RuntimeError:
        log.logger("x").exception("failed", certificate="shop")
    assert "RuntimeError" in lines.getvalue()
    assert not leaked(lines.getvalue())


PLACES: dict[str, Callable[[str], tuple[str, dict[str, Any]]]] = {
    "event": lambda text: (text, {}),
    "field": lambda text: ("e", {"detail": text}),
    "named": lambda text: ("e", {"private_key": text}),
    "bytes": lambda text: ("e", {"detail": text.encode()}),
    "nested": lambda text: ("e", {"a": [{"b": ({"c": text},)}]}),
    "deep": lambda text: ("e", {"a": [[[[[[[[[[text]]]]]]]]]]}),
    "set": lambda text: ("e", {"a": {text}}),
    "name": lambda text: ("e", {"a": {text: 1}}),
    "error": lambda text: ("e", {"a": ValueError(text)}),
    "object": lambda text: ("e", {"a": type("Odd", (), {"__str__": lambda self: text})()}),
    "json": lambda text: ("e", {"a": json.dumps({"tls.key": text})}),
}


@given(
    place=st.sampled_from(sorted(PLACES)),
    before=st.text(max_size=40),
    after=st.text(max_size=40),
    part=st.sampled_from([(0, None), (5, None), (30, None), (60, None), (0, -1), (0, -20), (0, -40), (0, 120)]),
)
def test_no_private_key_survives_wherever_it_is(
    place: str, before: str, after: str, part: tuple[int, int | None]
) -> None:
    """A key whole, or cut at either end so long as one of its two marks is left, is in no line, wherever it was put."""
    text = KEY.decode()[slice(*part)]
    event, fields = PLACES[place](before + text + after)
    shown = log.redact(None, "info", {"event": event, **fields})
    assert not leaked(json.dumps(shown, ensure_ascii=False))


@pytest.mark.parametrize("before", ["", "a", "ab", "\n{tls.key: "])
def test_no_private_key_survives_in_base64(before: str) -> None:
    """A key inside base64, as a Secret holds it, is taken out at whichever of the three alignments it lies."""
    encoded = base64.b64encode(f"{before}{KEY.decode()}".encode()).decode()
    shown = log.redact_text(f'{{"tls.key": "{encoded}"}}')
    assert shown.endswith('[base64 removed]"}')
    assert encoded[20:] not in shown


@pytest.mark.parametrize("kind", [KeySpec("rsa", 2048), KeySpec("ed25519", 0)])
def test_every_kind_of_key_is_known(kind: KeySpec) -> None:
    """RSA and Ed25519 keys, and the older headings, are taken out as well."""
    for heading in ("", "RSA ", "EC ", "ENCRYPTED ", "OPENSSH "):
        text = new_key(kind).decode().replace("PRIVATE KEY", f"{heading}PRIVATE KEY")
        assert log.redact_text(f"a\n{text}b") == "a\n[key removed]\nb"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("key", False), ("routing_key", False), ("apiKey", False), ("X-Vault-Token", False), ("password", False),
        ("Authorization", False), ("client_secret", False), ("tls.key", False), ("VAULT_TOKEN", False),
        ("certificate", True), ("key_algorithm", True), ("dedup_key", True), ("public_key", True), ("monkey", True),
        ("tokens_left", True), ("notice", True),
    ],
)  # fmt: skip
def test_fields_are_judged_by_the_last_word_of_their_name(name: str, shown: bool) -> None:
    """A field named for a secret is not shown, at any depth; others are."""
    for event in ({name: "value"}, {"headers": [{name: "value"}]}):
        assert ("value" in str(log.redact(None, "info", dict(event)))) is shown


@pytest.mark.parametrize(
    ("text", "gone"),
    [
        ("Authorization: Bearer abcdef0123456789", "abcdef"),
        ("got https://bot:hunter2@proxy.example.com:3128", "hunter2"),
        ("POST https://hooks.slack.com/services/T000/B000/xyz", "xyz"),
        ("login with hvs.CAESIJ0123456789abcdefghij", "CAESIJ"),
        ("xoxb-123456789012-abcdef", "abcdef"),
    ],
)
def test_credentials_inside_texts_are_taken_out(text: str, gone: str) -> None:
    """Bearer tokens, passwords in URLs, Slack's webhooks and tokens, and Vault's tokens are recognised in any text."""
    assert gone not in log.redact_text(text)


def test_ordinary_texts_stay_as_they_are() -> None:
    """Names, chains, fingerprints and sentences are not mistaken for secrets."""
    chain = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----"
    for text in ("shop.example.com ends in 29 d", chain, "https://ca.example.com/acme/order/1?x=2", "ab" * 32):
        assert log.redact_text(text) == text


def test_a_bundle_shows_its_chain_and_not_its_key() -> None:
    """A bundle that somebody logs by mistake shows no key."""
    bundle = self_signed(["shop.example.com"], not_before=START, not_after=START + timedelta(days=90))
    shown = str(log.redact(None, "info", {"bundle": Bundle(Chain(bundle.chain.certificates), KEY)}))
    assert "shop.example.com" in shown
    assert not leaked(shown)


def test_a_huge_or_odd_event_is_still_a_line(lines: io.StringIO) -> None:
    """Megabytes, cycles and objects that cannot be shown make a bounded line, not an exception."""

    class Odd:
        def __str__(self) -> str:
            raise RuntimeError("no")

    loop: list[object] = []
    loop.append(loop)
    log.logger("x").info("odd", big="x y" * (1 << 20), many=list(range(10_000)), odd=Odd(), loop=loop)
    event = only(lines)
    assert len(lines.getvalue()) < 100_000
    assert event["odd"] == "[Odd, which cannot be shown: RuntimeError]"


def test_a_closed_stream_loses_the_line_and_nothing_else() -> None:
    """When stderr is gone, logging neither raises nor prints the record elsewhere."""
    root = logging.getLogger()
    handlers = root.handlers[:]
    stream = io.StringIO()
    log.configure(stream=stream)
    try:
        stream.close()
        log.logger("x").info("hello")
    finally:
        root.handlers[:] = handlers
        logging.captureWarnings(capture=False)
        structlog.reset_defaults()
