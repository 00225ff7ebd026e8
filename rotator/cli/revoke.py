"""`rotator revoke`: have certificates revoked that nobody uses any more."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rotator.cli.ending import Ending, Mistake
from rotator.cli.options import DEFAULT_CONFIG, ConfigOption, Output, OutputOption, agreed
from rotator.core.crlreason import RevocationReason

if TYPE_CHECKING:
    from rotator.config.build import Config
    from rotator.ports import Store
    from rotator.revoke import Candidate

WHY = f"Why, for the CA: {', '.join(RevocationReason)}."

_SHORTEST = 16
"""Digits of a fingerprint that name a certificate: as many as every table shows."""


def revoke(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="The certificate whose old ones to revoke.")
    ] = None,
    fingerprint: Annotated[
        str, typer.Option(metavar="SHA256", help="Only the one with this fingerprint; its first 16 digits will do.")
    ] = "",
    certificate: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The certificate itself (PEM), where the state has it not.")
    ] = None,
    issuer: Annotated[str, typer.Option(metavar="ISSUER", help="Who signed it, where that is not known.")] = "",
    current: Annotated[bool, typer.Option("--current", help="The current one of NAME, not those before it.")] = False,
    reason: Annotated[RevocationReason, typer.Option(metavar="REASON", help=WHY)] = RevocationReason.SUPERSEDED,
    force: Annotated[bool, typer.Option("--force", help="Revoke also what is still in use.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask whether it is meant.")] = False,
    config: ConfigOption = DEFAULT_CONFIG,
    output: OutputOption = Output.TABLE,
) -> Ending:
    """Have the CA revoke certificates that nobody uses any more.

    Nothing brings a revoked one back. NAME means the earlier certificates of that name that have not ended. What a
    place still holds or an endpoint still serves is refused without --force: renew it first. A running daemon does it;
    where none runs, this command takes the state and does it itself. Exit code 1 when something was not revoked.
    """
    from base64 import b64encode

    from rotator.cli.asking import ask, tell
    from rotator.cli.opening import log_to_stderr, read_config, reading

    if sum(map(bool, (name, fingerprint))) == 0 and certificate is None:
        raise Mistake("say what to revoke: NAME, or --fingerprint SHA256, or --certificate FILE")
    if current and (fingerprint or certificate):
        raise Mistake("--current means the current certificate of NAME; a fingerprint or a file names another")
    log_to_stderr("warning")
    read = read_config(config)
    with reading(read) as store:
        chosen = (
            _in_file(certificate, name, store, read) if certificate else _kept(name, fingerprint, current, store, read)
        )
    wanted = [
        {
            "certificate": one.name,
            "issuer": _issuer(issuer or one.issuer, one, read),
            "der": b64encode(one.certificate.der).decode(),
        }
        for one in chosen
    ]
    if not chosen:  # an adopted certificate that rotator has not renewed yet: its places have it
        wanted = [{"certificate": name or "", "issuer": _named(issuer, read)}]
    agreed(_question(chosen, name or "", reason), yes)
    shared = {"reason": reason.value, "force": "yes" if force else "no"}
    return tell(output, ask(read, "revoke", [{**one, **shared} for one in wanted]))


def _kept(
    name: str | None, fingerprint: str, current: bool, store: Store | None, read: Config
) -> tuple[Candidate, ...]:
    """What the state knows of that name or fingerprint; empty means what the places of NAME hold now."""
    from rotator.cli.opening import named
    from rotator.clock import system_clock
    from rotator.revoke import candidates

    if name:
        named([name], store, read)
    issued = store.issued(name) if store else ()
    known = candidates(issued, {} if fingerprint or store is None else store.revoked(), system_clock().now())
    if fingerprint:
        return (_by_fingerprint(fingerprint, known),)
    if current:
        return tuple(one for one in known if one.status == "accepted")
    earlier = tuple(one for one in known if one.status != "accepted")
    if not earlier:
        raise Mistake(
            f"rotator knows no earlier certificate of {name} that has neither ended nor been revoked; "
            "--current means the one that is in use now"
        )
    return earlier


def _by_fingerprint(text: str, known: Sequence[Candidate]) -> Candidate:
    digits = text.replace(":", "").lower()
    if len(digits) < _SHORTEST or set(digits) - set("0123456789abcdef"):
        raise Mistake(f"{text!r} is no SHA-256 fingerprint; at least its first {_SHORTEST} digits are needed")
    found = {one.certificate.fingerprint: one for one in known if one.certificate.fingerprint.startswith(digits)}
    if not found:
        serial = next((one.certificate for one in known if f"{one.certificate.serial:x}" == digits.lstrip("0")), None)
        if serial is not None:
            raise Mistake(f"{text} is a serial number; of its certificate say --fingerprint {serial.fingerprint}")
        raise Mistake(
            f"rotator knows no certificate {text} that has not ended; give it as a file: "
            "--certificate FILE --issuer ISSUER"
        )
    if len(found) > 1:
        raise Mistake(f"{text} may be {' or '.join(sorted(found))}; say more of its digits")
    return next(iter(found.values()))


def _in_file(path: Path, name: str | None, store: Store | None, read: Config) -> tuple[Candidate, ...]:
    from rotator.cli.opening import named
    from rotator.core.pem import PemError, read_chain
    from rotator.revoke import Candidate

    try:
        leaf = read_chain(path.read_bytes()).leaf
    except (OSError, PemError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise Mistake(f"{path} cannot be read as a certificate: {why}") from error
    if name:
        named([name], store, read)
    ours = next((one for one in (store.issued() if store else ()) if one.chain.fingerprint == leaf.fingerprint), None)
    return (Candidate(leaf, name or (ours.certificate if ours else ""), ours.issuer if ours else ""),)


def _issuer(issuer: str, one: Candidate, read: Config) -> str:
    if not issuer:
        raise Mistake(
            f"nobody knows who signed {one.certificate.fingerprint[:16]}… ({one.certificate.issuer}); say --issuer"
        )
    return _named(issuer, read)


def _named(issuer: str, read: Config) -> str:
    """The issuer, which must be one that can revoke; empty stays so."""
    from rotator.plugins import find

    entry = next((entry for entry in read.issuers if entry.name == issuer), None)
    if issuer and entry is None:
        names = ", ".join(entry.name for entry in read.issuers) or "none"
        raise Mistake(f"there is no issuer {issuer!r} in the config; there are {names}")
    if entry is not None and not hasattr(find("issuers", entry.kind), "revoke"):
        raise Mistake(f"{issuer} cannot revoke ({entry.kind}); do it at the CA itself")
    return issuer


def _question(chosen: Sequence[Candidate], name: str, reason: RevocationReason) -> str:
    from rotator.core.pem import moment

    def line(one: Candidate) -> str:
        leaf = one.certificate
        return f"  {leaf.fingerprint}  {one.name or leaf.subject}, ends {moment(leaf.not_after)}"

    lines = [line(one) for one in chosen] or [f"  what the places of {name} hold now"]
    return "\n".join([f"To be revoked as {reason}, which nothing takes back:", *lines])
