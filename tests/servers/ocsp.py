"""A real OCSP responder: `openssl ocsp` with an index of its own, one per test."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tests.servers.ports import LOOPBACK, free_port
from tests.servers.run import need
from tests.servers.service import running, service

_TIME = "%y%m%d%H%M%SZ"
_END = "491231235959Z"


@dataclass(frozen=True, slots=True)
class Revoked:
    """Since when and why, as openssl-ca(1) writes it: `keyCompromise` and the like; empty for no reason."""

    at: datetime
    reason: str = ""


def _index(entries: Mapping[int, Revoked | None]) -> str:
    lines = []
    for serial, revoked in entries.items():
        digits = f"{serial:X}"
        number = digits.zfill(len(digits) + len(digits) % 2)
        since = revoked.at.astimezone(UTC).strftime(_TIME) if revoked else ""
        reason = f",{revoked.reason}" if revoked and revoked.reason else ""
        lines.append(f"{'R' if revoked else 'V'}\t{_END}\t{since}{reason}\t{number}\tunknown\t/CN=test\n")
    return "".join(lines)


@contextlib.contextmanager
def start_responder(
    folder: Path,
    entries: Mapping[int, Revoked | None],
    *,
    ca: bytes,
    signer: bytes,
    key: bytes,
    options: Sequence[str] = ("-nmin", "60"),
) -> Iterator[str]:
    """Run a responder for a CA; gives its URL.

    Args:
        entries: serial number → when it was revoked, or None for a good one; any other is unknown to it.
        ca, signer, key: PEM: the CA, and who signs the answers (the CA itself, or its delegate).
        options: until when its answers hold; without any they do not say.
    """
    program, home, port = need("openssl"), folder / "ocsp", free_port()
    home.mkdir(parents=True, exist_ok=True)
    for name, text in (("index", _index(entries).encode()), ("ca", ca), ("signer", signer), ("key", key)):
        (home / name).write_bytes(text)
    command: list[str | Path] = [
        program, "ocsp", "-index", home / "index", "-port", str(port), "-ignore_err", "-CA", home / "ca",
        "-rsigner", home / "signer", "-rkey", home / "key", *options,
    ]  # fmt: skip
    process = service("ocsp", home, command)
    with running(process):
        process.start()
        # It says so itself; a connection that only looks whether it listens would hold it up for ever.
        process.wait_ready(lambda: "waiting for OCSP client connections" in process.tail())
        yield f"http://{LOOPBACK}:{port}"
