"""TLS services on loopback that serve from files: obedient ones, and those that harm what is put into them.

Each one looks at its `reload` file when somebody connects and reads its files again when that was touched, so that what
it serves follows from what was done to it, never from how fast the machine is.
"""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path

from rotator.core.model import Bundle, Endpoint, TargetSpec
from rotator.core.pem import chain_pem, key_matches, read_chain, read_key
from tests.lib.tls_peers import peer


class Manner(StrEnum):
    """What a service does with a new certificate when it is told to reload."""

    OBEYS = "obeys"
    KEEPS = "keeps"  # goes on with what it has in memory
    FALLS = "falls"  # goes down on any certificate but its first, and comes up again with that
    STAYS_DOWN = "stays-down"  # goes down on the first new certificate, for good
    STRAYS = "strays"  # shows a third certificate in place of a new one
    DOWN = "down"  # was never up


class Service:
    """One service: its files, and what it has in memory.

    Attributes:
        loaded: fingerprints of what it has had in memory, in order; `down` where it went down.
        third: what a straying one shows.
        also: a second pair with another type of key, which it serves beside the one in its files.
    """

    def __init__(self, name: str, folder: Path, first: Bundle, manner: Manner, also: Bundle | None = None) -> None:
        self.name = name
        self.folder = folder
        self.manner = manner
        self.third: Bundle | None = None
        self.also = also
        self.loaded: list[str] = []
        self.port = 0
        self._first = first.chain.fingerprint
        self._bad = ""
        self._lock = threading.Lock()
        folder.mkdir(parents=True)
        self.put(first)
        self.reload.touch()
        self._touched = self.reload.stat().st_mtime_ns
        self._context: ssl.SSLContext | None = None
        if manner is not Manner.DOWN:
            self._load(first)

    @property
    def certificate(self) -> Path:
        return self.folder / "fullchain.pem"

    @property
    def key(self) -> Path:
        return self.folder / "privkey.pem"

    @property
    def reload(self) -> Path:
        return self.folder / "reload"

    @property
    def endpoint(self) -> Endpoint:
        return Endpoint("127.0.0.1", self.port, server_name=self.name)

    def target(self, settle: str = "300ms") -> TargetSpec:
        place = {"certificate": str(self.certificate), "key": str(self.key)}
        return TargetSpec("files", {**place, "touch": str(self.reload), "settle": settle})

    def put(self, bundle: Bundle) -> None:
        """Write a pair into its files by hand; the service is not told."""
        self.key.touch(mode=0o600)
        self.key.write_bytes(bundle.key)
        self.certificate.write_bytes(chain_pem(bundle.chain))

    def falls_on(self, fingerprint: str) -> None:
        """From now on go down on this one, and only on this one."""
        self.manner, self._bad = Manner.FALLS, fingerprint

    def touch(self) -> None:
        """Tell the service by hand."""
        with self._lock:
            self._touched = -1

    @property
    def held(self) -> str:
        """The fingerprint in its files, which must be a whole pair."""
        chain = read_chain(self.certificate.read_bytes())
        assert key_matches(chain, read_key(self.key.read_bytes())), "half of each pair lies in the files"
        return chain.fingerprint

    @property
    def serves(self) -> str:
        """The fingerprint in its memory; empty when it is down."""
        with self._lock:
            self._notice()
            return "" if self._context is None else self.loaded[-1]

    def notice(self) -> None:
        """Have it look at its `reload` file now, as a connection would."""
        with self._lock:
            self._notice()

    def talk(self, plain: socket.socket, _: threading.Event) -> None:
        """Answer one connection, as of now; one that is down ends it before a byte."""
        with self._lock:
            self._notice()
            context = self._context
        if context is None:
            return
        with context.wrap_socket(plain, server_side=True) as secure:
            while secure.recv(4096):
                pass

    def _notice(self) -> None:
        """Read the files again if somebody has touched `reload` since the last time."""
        touched = self.reload.stat().st_mtime_ns
        told, self._touched = touched != self._touched, touched
        if not told or self.manner in {Manner.KEEPS, Manner.DOWN}:
            return
        bundle = Bundle(read_chain(self.certificate.read_bytes()), read_key(self.key.read_bytes()))
        loading = bundle.chain.fingerprint
        is_new = loading == self._bad if self._bad else loading != self._first
        falls = {Manner.FALLS: is_new, Manner.STAYS_DOWN: is_new or self._context is None}
        if falls.get(self.manner, False):
            self._fall()
        elif self.manner is Manner.STRAYS and is_new and self.third is not None:
            self._load(self.third)
        else:
            self._load(bundle)

    def _fall(self) -> None:
        self._context = None
        self._note("down")

    def _load(self, bundle: Bundle) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
        for number, each in enumerate([bundle, self.also] if self.also else [bundle]):
            pair = self.folder.parent / f".{self.folder.name}-{number}.pem"
            pair.touch(mode=0o600)
            pair.write_bytes(chain_pem(each.chain) + each.key)
            context.load_cert_chain(pair)
            pair.unlink()
        self._context = context
        self._note(bundle.chain.fingerprint)

    def _note(self, what: str) -> None:
        if not self.loaded or self.loaded[-1] != what:
            self.loaded.append(what)


@contextmanager
def serving(service: Service) -> Iterator[Service]:
    """Have a service answer on a port of its own while the context is open."""
    with peer(service.talk) as port:
        service.port = port
        yield service
