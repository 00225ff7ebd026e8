"""Target `command`: any place that three commands of the operator can read, write and put back (F5, IIS, …).

- `snapshot` prints what is there: the chain in PEM, nothing for an empty place, or a JSON document
  `{"chain": PEM or null, "state": anything}`, whose state comes back when the place is to be put back.
- `deploy` gets `{"chain": PEM, "key": PEM, "replacing": fingerprint or null}` on standard input; the key is null where
  it is held elsewhere, as the certificate's `csr` says.
- `restore` gets `{"chain": PEM or null, "state": anything, "replacing": fingerprint or null}` on standard input.

Status 0 is done, 9 is a conflict (something else than `replacing` is there; nothing was written), all else a failure
that left the place as it was. Standard error is for people. No shell is involved.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar

from pydantic import Field

from rotator.core.model import (
    Bundle,
    Chain,
    Check,
    Deployed,
    Location,
    Observation,
    Problem,
    ProblemKind,
    Snapshot,
    TargetSpec,
)
from rotator.core.pem import PemError, chain_pem, read_chain
from rotator.errors import Conflict, SecretMissing, TargetError
from rotator.lib import process
from rotator.lib.writable import command_problem
from rotator.ports import Clock
from rotator.settings import Duration, KeyUse, PluginSettings, SecretRef

CONFLICT = 9
_SYSTEM = "command"


class CommandSettings(PluginSettings):
    """The three commands, and the place that they are about."""

    address: str = Field(
        min_length=1, description="What the place is called, such as bigip.example.com/clientssl-shop."
    )
    snapshot: tuple[str, ...] = Field(min_length=1, description="Prints what is there, as a list without a shell.")
    deploy: tuple[str, ...] = Field(min_length=1, description="Puts a chain and key there and has it served.")
    restore: tuple[str, ...] = Field(min_length=1, description="Puts back what snapshot printed.")
    environment: Mapping[str, SecretRef] = Field(
        default_factory=dict, description="Further variables, each read from ${env:…} or ${file:…} for every call."
    )
    timeout: Duration = Field(
        default=timedelta(minutes=1), gt=timedelta(0), description="How long each of them may take."
    )
    settle: Duration = Field(
        default=timedelta(seconds=30), ge=timedelta(0), description="How long the new one may take to be served."
    )

    @property
    def key_use(self) -> KeyUse:
        return KeyUse.OPTIONAL


@dataclass(frozen=True, slots=True)
class _Printed:
    """What `snapshot` printed: the chain's text, empty for an empty place, and whatever else it wants back."""

    chain: str
    state: Any = None

    def document(self, **more: object) -> bytes:
        return json.dumps({"chain": self.chain or None, "state": self.state, **more}).encode()


class CommandTarget:
    """One certificate in the care of the operator's commands."""

    Settings: ClassVar[type[PluginSettings]] = CommandSettings
    kind: ClassVar[str] = "command"

    def __init__(self, name: str, spec: TargetSpec, settings: PluginSettings, clock: Clock) -> None:
        assert isinstance(settings, CommandSettings)
        self.name = name
        self._settings = settings

    @property
    def location(self) -> Location:
        return Location(_SYSTEM, self._settings.address)

    @property
    def settle(self) -> timedelta:
        return self._settings.settle

    def snapshot(self) -> Snapshot:
        """Have it printed; the key is not part of it, so nothing is said of it."""
        ran = self._run("snapshot", self._settings.snapshot, None)
        printed = _read(ran.stdout, self._settings.address)
        chain, problem = self._chain(printed)
        return Snapshot(Observation(self.location, chain, problem), printed.document())

    def _chain(self, printed: _Printed) -> tuple[Chain | None, Problem | None]:
        if not printed.chain.strip():
            return None, None
        try:
            return read_chain(printed.chain.encode()), None
        except PemError as error:
            return None, Problem(ProblemKind.UNREADABLE, f"{self._settings.address}: {error}")

    def deploy(self, bundle: Bundle, *, replacing: str | None) -> Deployed:
        """Compare here as well as in the command, which may not."""
        self._compare(replacing, bundle.chain.fingerprint)
        document = {
            "chain": chain_pem(bundle.chain).decode(),
            "key": bundle.key.decode() or None,
            "replacing": replacing,
        }
        return self._write("deploy", self._settings.deploy, json.dumps(document).encode())

    def restore(self, to: Snapshot, *, replacing: str | None) -> Deployed:
        was = _read(to.state, self._settings.address)
        if not was.chain.strip():
            return Deployed(self.location)
        self._compare(replacing, to.fingerprint)
        return self._write("restore", self._settings.restore, was.document(replacing=replacing))

    def rehearse(self) -> tuple[Check, ...]:
        """Whether each command can be started, and the place be read; writes nothing."""
        settings = self._settings
        commands = {"deploy": settings.deploy, "restore": settings.restore}
        return (self._read_now(), *(Check(verb, *command_problem(command)) for verb, command in commands.items()))

    def _read_now(self) -> Check:
        problem, remedy = command_problem(self._settings.snapshot)
        if problem:
            return Check("snapshot", problem, remedy)
        try:
            return Check("snapshot", detail="empty" if self.snapshot().chain is None else "it can be read")
        except TargetError as error:
            return Check("snapshot", str(error))

    def _compare(self, replacing: str | None, wanted: str | None) -> None:
        present = self.snapshot().fingerprint
        if present not in {replacing, wanted}:
            holds = f"the certificate {present[:16]}…" if present else "no certificate"
            raise Conflict(f"{self._settings.address} now holds {holds}; somebody else changed it, nothing was written")

    def _write(self, verb: str, command: tuple[str, ...], document: bytes) -> Deployed:
        return Deployed(self.location, self._run(verb, command, document).output)

    def _run(self, verb: str, command: tuple[str, ...], document: bytes | None) -> process.Ran:
        address = self._settings.address
        environment = {"ROTATOR_ADDRESS": address, "ROTATOR_CERTIFICATE": self.name, **self._secrets()}
        seconds = self._settings.timeout.total_seconds()
        try:
            ran = process.run(command, seconds=seconds, stdin=document, env=environment)
        except process.ProcessError as error:
            raise TargetError(f"{address}: {verb}: {error}{_said(error.output)}") from error
        if ran.code == CONFLICT and verb != "snapshot":
            raise Conflict(f"{address}: {verb} found something else there and wrote nothing{_said(ran.output)}")
        if ran.code != os.EX_OK:
            raise TargetError(f"{address}: {verb}: `{command[0]}` ended with {ran.code}{_said(ran.output)}")
        return ran

    def _secrets(self) -> dict[str, str]:
        try:
            return {variable: secret.reveal() for variable, secret in self._settings.environment.items()}
        except SecretMissing as error:
            raise TargetError(f"{self._settings.address}: {error}") from error

    @classmethod
    def adopt(cls, observation: Observation, rule: Mapping[str, object]) -> TargetSpec | None:
        """Never: no source finds what only these commands can reach."""
        return None


def _read(text: bytes, address: str) -> _Printed:
    """What a snapshot says, as PEM or as a document.

    Raises:
        TargetError: it begins like a document and is none, or it is too long.
    """
    if len(text) >= process.KEPT_STDOUT:
        raise TargetError(f"{address}: snapshot printed more than {process.KEPT_STDOUT - 1} bytes")
    if not text.lstrip().startswith(b"{"):
        return _Printed(text.decode("utf-8", "replace"))
    try:
        document = json.loads(text)
        chain = document.get("chain") or ""
    except ValueError as error:
        raise TargetError(f"{address}: snapshot printed no JSON document: {error}") from error
    if not isinstance(chain, str):
        raise TargetError(f"{address}: snapshot printed a document whose `chain` is no text")
    return _Printed(chain, document.get("state"))


def _said(output: str) -> str:
    words = process.last_words(output)
    return f": {words}" if words else ""
