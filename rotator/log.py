"""Structured logs to stderr, from which key material and other secrets are taken out on the way.

Everything goes through the standard library's root logger: our own events (structlog) and those of uvicorn,
APScheduler, kubernetes and urllib3 come out alike, as one JSON object a line or as text for a terminal. Redaction is
the last step before a line is rendered, tracebacks included, so that no caller has to think of it.

    log = logger(__name__)
    log.info("deployed", certificate="shop", target="cluster:shop/shop-tls")

A field whose name says that it holds a secret (`key`, `token`, `…_password`) is never shown: the dedup key of a notice
is therefore logged as `notice`.
"""

from __future__ import annotations

import dataclasses
import logging
import re
import sys
from collections.abc import Iterable, Mapping, Set
from datetime import date
from typing import IO, Any, Literal

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

Level = Literal["debug", "info", "warning", "error"]
Format = Literal["json", "console"]

# What these say below the given level holds secrets: urllib3 logs whole URLs (a webhook's path is its password) and
# kubernetes logs the bodies of answers (Secrets), as lexicon does. APScheduler says each tick that it ticked.
_NEVER_BELOW = {
    "urllib3": logging.WARNING,
    "kubernetes": logging.INFO,
    "botocore": logging.INFO,
    "hvac": logging.INFO,
    "lexicon": logging.INFO,
    "apscheduler": logging.WARNING,
}
_REMOVED = "[removed]"
_MOST_TEXT = 16 << 10  # characters of one text
_MOST_ITEMS = 200  # of one list or mapping
_MOST_DEPTH = 8

_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    # A private key in PEM, whole or cut off before its end; then one of which only the end is left. The second begins
    # at the first character of a run, never within one, which keeps it linear.
    (re.compile(r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY[A-Z ]*-----|\Z)", re.S), "key"),
    (re.compile(r"(?<![\w+/=\s\\])[\w+/=\s\\]*+-----END [A-Z0-9 ]*PRIVATE KEY[A-Z ]*-----"), "key"),
    # PEM inside base64, as in the `data` of a Kubernetes Secret: "-----BEGIN" at each of the three alignments.
    (re.compile(r"(?:LS0tLS1CRUdJTi|0tLS0tQkVHSU4g|tLS0tLUJFR0lOI)[\w+/=\s\\-]*"), "base64"),
    (re.compile(r"(?i)\b(?:bearer|basic|geniekey)\s+[\w.~+/=-]{8,}"), "credentials"),
    (re.compile(r"\bhv[sbr]\.[\w-]{20,}|\bs\.[A-Za-z0-9]{24}\b"), "token"),  # Vault and OpenBao
    (re.compile(r"\bxox[a-z]-[A-Za-z0-9-]{10,}"), "token"),  # Slack
    (re.compile(r"(?<=hooks\.slack\.com/)[^\s\"'<>]+"), "path"),
    (re.compile(r"(?<=://)[^\s/@\"'<>:]{1,256}:[^\s/@\"'<>]{0,256}(?=@)"), "user"),  # user:password@ in a URL
)
_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|\d+")
_SECRET_WORDS = frozenset(
    {"key", "keys", "token", "tokens", "password", "passwd", "passphrase", "secret", "secrets", "authorization",
     "credential", "credentials", "cookie", "hmac", "apikey", "pem"}
)  # fmt: skip


def logger(name: str) -> structlog.stdlib.BoundLogger:
    """The logger of a module; what it says is shown once `configure` was called."""
    found: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return found


def configure(level: Level = "info", format: Format = "json", stream: IO[str] | None = None) -> None:
    """Send all logs of this process to `stream` (stderr); may be called again, the last call counts."""
    out = sys.stderr if stream is None else stream
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,  # a plain traceback: no local variables, which may hold keys
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = _Handler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, redact, _renderer(format, out)],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name, least in _NEVER_BELOW.items():
        logging.getLogger(name).setLevel(max(least, root.level))
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):  # uvicorn may have put its own handlers there
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    logging.captureWarnings(capture=True)


def redact(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Take secrets out of an event, wherever they are in it; what comes out is plain JSON values."""
    return {redact_text(str(name)): _field(str(name), value, _MOST_DEPTH) for name, value in event.items()}


def redact_text(text: str) -> str:
    """Take key material, tokens and passwords out of one text; what is very long is cut."""
    text = text[: 4 * _MOST_TEXT]  # searching costs time, and nobody reads megabytes
    for pattern, what in _PATTERNS:
        text = pattern.sub(f"[{what} removed]", text)
    return text if len(text) <= _MOST_TEXT else f"{text[:_MOST_TEXT]}… (cut)"


def _renderer(format: Format, stream: IO[str]) -> Processor:
    if format == "json":
        return structlog.processors.JSONRenderer(ensure_ascii=False)
    return structlog.dev.ConsoleRenderer(
        colors=stream.isatty(), exception_formatter=structlog.dev.plain_traceback, sort_keys=False
    )


class _Handler(logging.StreamHandler[IO[str]]):
    """Never prints the record that could not be written: the standard library would, unredacted."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the library's name
        kind = sys.exc_info()[0]
        try:
            self.stream.write(f"a log line of {record.name} was lost: {kind.__name__ if kind else 'unknown'}\n")
        except (OSError, ValueError):
            return  # the stream is closed; there is nowhere left to say so


# ---------------------------------------------------------------- redaction


def _field(name: str, value: object, depth: int) -> Any:
    # A number, a flag or nothing under a secret's name (`keys=3`, `password=None`) tells no secret.
    if _is_secret(name) and not (value is None or isinstance(value, bool | int | float)):
        return _REMOVED
    return _value(value, depth)


def _is_secret(name: str) -> bool:
    """Whether the last word of a field's name says that a secret is in it: `routing_key`, `apiKey`, `X-Auth-Token`."""
    words = [word.lower() for word in _WORDS.findall(name)]
    if words[-2:] in (["public", "key"], ["dedup", "key"], ["primary", "key"]):
        return False
    return bool(words) and words[-1] in _SECRET_WORDS


def _value(value: object, depth: int) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return redact_text(str(value))
    if isinstance(value, bytes | bytearray | memoryview):
        return f"[{len(value)} bytes]"
    if depth == 0:
        return "[…]"
    if isinstance(value, Mapping):
        pairs = list(value.items())[:_MOST_ITEMS]
        return {redact_text(str(name)): _field(str(name), inner, depth - 1) for name, inner in pairs}
    if isinstance(value, list | tuple | Set):
        return _list(value, depth)
    return _other(value)


def _list(values: Iterable[object], depth: int) -> list[Any]:
    items = list(values)
    shown = [_value(item, depth - 1) for item in items[:_MOST_ITEMS]]
    return [*shown, f"[{len(items) - _MOST_ITEMS} more]"] if len(items) > _MOST_ITEMS else shown


def _other(value: object) -> str:
    if isinstance(value, date):  # and datetime
        return value.isoformat()
    try:
        # A dataclass hides its secret fields from its repr; everything else speaks through str.
        return redact_text(repr(value) if dataclasses.is_dataclass(value) else str(value))
    except Exception as error:  # noqa: BLE001 - foreign code; a repr that fails must not lose the line
        return f"[{type(value).__name__}, which cannot be shown: {type(error).__name__}]"
