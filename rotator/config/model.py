"""The config file as types: every key that is not a plugin's, with what it means and what it is without being said.

Names of plugins and references between entries are checked in `rotator.config.entries` and `.references`.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator

from rotator.config.calimits import Limited
from rotator.config.values import (
    Hold,
    IssuerNames,
    Key,
    Label,
    Names,
    RuleId,
    ServedAt,
    Trust,
    Window,
    Workloads,
)
from rotator.core.model import KeySpec, Mode, Severity, TlsaMode
from rotator.lib.endpoint import parse_endpoint
from rotator.lib.reach import Reach
from rotator.settings import Duration, SecretRef

Entry = dict[str, Any]
"""An entry of which one key is a kind: read by the kind's own settings, see `rotator.config.entries`."""

SECOND = timedelta(seconds=1)
NO_ALERTS = "none"


class Section(BaseModel):
    """The base of all sections: unknown keys are mistakes, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class State(Section):
    """Where rotator keeps what must outlive it; just a path will do."""

    url: str = Field(default="/var/lib/rotator/state.db", min_length=1, description="A path, or sqlite:///path.")
    key: SecretRef | None = Field(
        default=None, description="What seals private keys in the state; without it a file beside the database."
    )

    @field_validator("url")
    @classmethod
    def _is_kept_here(cls, value: str) -> str:
        scheme, found, _ = value.partition("://")
        if found and scheme.partition("+")[0] != "sqlite":
            raise ValueError("this rotator keeps its state in SQLite; write a path, such as /var/lib/rotator/state.db")
        return value


class Limits(Section):
    """How much may happen at a time."""

    at_once: int = Field(default=4, ge=1, le=256, description="Rotations in flight at the same time.")
    an_hour: int | None = Field(
        default=None, ge=1, description="Orders an hour; without it the larger of 20 and twice what the fleet needs."
    )


class Web(Section):
    """Health, metrics, status page and JSON API, read only."""

    listen: str = Field(default="127.0.0.1:8080", description="Address and port; 0.0.0.0:8080 for all addresses.")

    @field_validator("listen")
    @classmethod
    def _is_an_address(cls, value: str) -> str:
        host, _, port = value.rpartition(":")
        if not host or not port.isdigit():
            raise ValueError("it is an address and a port, like 127.0.0.1:8080")
        if port != "0":
            parse_endpoint(value)
        return value


class Log(Section):
    """What is logged, on standard error."""

    level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="The least that is said.")
    format: Literal["json", "console"] = Field(default="json", description="One JSON object a line, or for people.")


class Heartbeat(Section):
    """An outside watcher that is pinged after each complete look, and alerts when the pings stop."""

    url: SecretRef = Field(description="The address to ping, as a reference: whoever knows it can keep it quiet.")


class Revocation(Section):
    """Whether and how CAs are asked if they have revoked what is found: the CRL first, then OCSP."""

    ask: bool = Field(default=False, description="Ask at all; certificates name the addresses that are asked.")
    allow_internal: tuple[str, ...] = Field(
        default=(), description="Internal hosts and networks that may be asked, for a CA of one's own."
    )


class RevocationWatch(Section):
    """Whether CAs are asked, look by look, if they have revoked what is in our care; a revoked one is renewed at once.

    `rotated` asks about what is rotated, `managed` also about what is only observed, `none` asks nobody.
    """

    watch: Literal["rotated", "managed", "none"] = Field(
        default="rotated", description="Of which certificates: rotated, managed (also observed ones), or none."
    )
    every: Duration = Field(
        default=timedelta(hours=1),
        ge=timedelta(minutes=5),
        le=timedelta(days=1),
        description="How often each is asked.",
    )
    allow_internal: tuple[str, ...] = Field(
        default=(), description="Internal hosts and networks that may be asked, for a CA of one's own."
    )

    @field_validator("allow_internal")
    @classmethod
    def _are_places(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        Reach.of(value)  # says what is wrong with one
        return value


class Scan(Section):
    """How `rotator scan` judges."""

    expiring_within: Duration | None = Field(
        default=None, gt=timedelta(0), description="What ends within this is an error, whatever its lifetime."
    )
    scts: int | None = Field(
        default=None, ge=0, le=20, description="Timestamps that a public certificate needs; without it by lifetime."
    )
    severities: dict[RuleId, Severity] = Field(default={}, description="By rule, instead of the rule's own severity.")
    ignore: tuple[RuleId, ...] = Field(default=(), description="Rules that are not asked.")
    only: tuple[RuleId, ...] = Field(default=(), description="Ask these rules alone.")
    baseline: str = Field(default="", description="A file of findings that are known and accepted, each until a day.")
    ca: tuple[str, ...] = Field(default=(), description="Files with roots that clients trust beside the system's.")
    revocation: Revocation = Field(default=Revocation(), description="Ask CAs whether they have revoked it.")
    caa: bool = Field(default=False, description="Ask DNS whether each name allows the CA that issued for it.")


# ---------------------------------------------------------------- what the entries of a group share


class SourceEntry(Section):
    """A place to look for certificates; read only."""


class IssuerEntry(Section):
    """Whoever signs."""

    trust: Trust | None = Field(default=None, description="What the clients of its certificates trust.")
    an_hour: int | None = Field(default=None, ge=1, description="Orders an hour that this issuer may get.")
    limits: Limited | None = Field(
        default=None, description="What its CA limits: letsencrypt, none, or numbers like {domain: 50/7d}."
    )


class TargetEntry(Section):
    """A place that holds one certificate."""

    restart: Workloads = ()


class AlerterEntry(Section):
    """Somebody to tell."""

    at_least: Severity = Field(default=Severity.INFO, description="Nothing less grave is sent here.")
    owners: tuple[str, ...] = Field(default=(), description="Only what belongs to these owners; without it everything.")
    repeat_every: Duration | None = Field(
        default=None, ge=timedelta(minutes=1), description="Say again what is still open after this long."
    )


# ---------------------------------------------------------------- certificates


class Adoption(BaseModel):
    """Found certificates become managed ones. Every key that is not named here is a setting of the target."""

    model_config = ConfigDict(extra="allow", frozen=True)

    from_: str = Field(alias="from", description="The source whose findings are looked at.")
    match: dict[str, str] = Field(
        description="Globs on what is known of a finding: namespace, name, path, names, issuer, …; {} matches all."
    )
    issuer: IssuerNames = Field(description="Who signs; the second when the first cannot.")
    mode: Mode | None = Field(default=None, description="observe or rotate; without it the file's own mode.")
    owner: str = Field(default="", description="The team that hears about it.")
    restart: Workloads = ()
    trust: Trust | None = Field(default=None, description="What clients trust: system, issuer, or {file: …}.")
    renew_before: Duration | None = Field(
        default=None, gt=timedelta(0), description="How long before the end to renew; without it the rule."
    )
    key: Key | None = Field(default=None, description="The key to make; without it like the one that was found.")

    @property
    def target_settings(self) -> dict[str, object]:
        return dict(self.model_extra or {})


class Declared(Section):
    """One certificate, said in full."""

    name: Label = Field(description="Unique; what it is called in plans, logs and alerts.")
    names: Names = Field(description="DNS names and addresses that it must cover, the first one foremost.")
    issuer: IssuerNames = Field(description="Who signs; the second when the first cannot.")
    targets: list[Entry] = Field(min_length=1, description="Where it is put.")
    owner: str = Field(default="", description="The team that hears about it.")
    key: Key = Field(
        default=KeySpec(),
        description="The key to make, a new one each time: ecdsa-256, rsa-2048 …, or `algorithm`, `size` and `reuse`.",
    )
    csr: str = Field(
        default="",
        description="A file with a request that was made elsewhere: its key never comes here. Read anew each time.",
    )
    tlsa: TlsaMode = Field(
        default=TlsaMode.OFF,
        description="TLSA records at its endpoints: off, check (tell what would break), require (hold the renewal).",
    )
    endpoints: tuple[ServedAt, ...] = Field(default=(), description="Where it is served: host:port, smtp://host:587 …")
    lifetime: Duration | None = Field(
        default=None, gt=timedelta(0), description="What to ask the issuer for; without it the issuer decides."
    )
    profile: str = Field(default="", description="The issuer's profile to order, where it has any.")
    renew_before: Duration | None = Field(
        default=None, gt=timedelta(0), description="How long before the end to renew; without it the rule."
    )
    trust: Trust | None = Field(default=None, description="What clients trust: system, issuer, or {file: …}.")
    mode: Mode | None = Field(default=None, description="observe or rotate; without it the file's own mode.")
    windows: tuple[Window, ...] = Field(default=(), description="When it may be changed, in UTC; without it always.")
    allow: frozenset[Hold] = Field(
        default=frozenset(), description="Surprises in a new certificate that need no approval."
    )


# ---------------------------------------------------------------- the file


def _state(value: object) -> object:
    return {"url": value} if isinstance(value, str) else value


def _nothing_is_empty(value: object) -> object:
    """A key with nothing after it means the same as an empty one."""
    return {} if value is None else value


def _nothing_is_no_entry(value: object) -> object:
    return [] if value is None else value


Entries = Annotated[dict[Label, Entry], BeforeValidator(_nothing_is_empty)]


class File(Section):
    """The whole file."""

    mode: Mode = Field(default=Mode.OBSERVE, description="observe: look, plan, alert. rotate: also act.")
    first_look: Literal["plan", "act"] = Field(
        default="plan", description="What the first look at an unknown world does with what is due."
    )
    state: Annotated[State, BeforeValidator(_state, json_schema_input_type=State | str)] = Field(
        default=State(), description="What must outlive rotator."
    )
    check_every: Duration = Field(default=timedelta(hours=1), ge=SECOND, description="The longest time between looks.")
    shortest_tick: Duration = Field(
        default=timedelta(seconds=30), ge=SECOND, description="The shortest time between looks."
    )
    due_rule: Literal["lifetime", "fixed"] = Field(
        default="lifetime", description="lifetime: a third of it, 30 days at most. fixed: 30 days."
    )
    limits: Limits = Field(default=Limits(), description="How much may happen at a time.")
    keep_keys: bool = Field(default=True, description="Keep the newest key sealed, to repair drift without issuing.")
    sources: Entries = Field(default={}, description="Places to look for certificates.")
    self_: bool = Field(
        default=True,
        alias="self",
        description="Watch the TLS servers that rotator itself depends on: issuers, clusters, alerters, the heartbeat.",
    )
    issuers: Entries = Field(default={}, description="Who signs.")
    adopt: Annotated[
        tuple[Adoption, ...],
        BeforeValidator(_nothing_is_no_entry, json_schema_input_type=tuple[Adoption, ...] | None),
    ] = Field(default=(), description="Found certificates become managed ones.")
    certificates: Annotated[
        tuple[Declared, ...],
        BeforeValidator(_nothing_is_no_entry, json_schema_input_type=tuple[Declared, ...] | None),
    ] = Field(default=(), description="Certificates, said in full.")
    alerts: Annotated[Literal["none"] | dict[Label, Entry], BeforeValidator(_nothing_is_empty)] = Field(
        default={}, description="Who is told, and `heartbeat`; `none` when nobody is to be."
    )
    revocation: RevocationWatch = Field(
        default=RevocationWatch(), description="Watch whether CAs revoke what is in our care."
    )
    preflight: bool = Field(
        default=True, description="Ask issuers and places day by day whether the next renewal would work."
    )
    scan: Scan = Field(default=Scan(), description="How the audit judges.")
    web: Web = Field(default=Web(), description="Health, metrics and status page.")
    log: Log = Field(default=Log(), description="What is logged.")
