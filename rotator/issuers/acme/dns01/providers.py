"""DNS providers by dns-lexicon: one name in the settings for each of some eighty APIs.

Its `Client` is not used: it guesses the zone from the public suffix list, which it fetches, or asks this machine's
resolver. Here the zone is known (by its SOA record), and given to the provider's class as it is.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any
from urllib.parse import quote

import requests

from rotator.errors import SecretMissing
from rotator.issuers.acme.dns01.writers import Late, Told
from rotator.issuers.acme.proving import Dns01
from rotator.lib.dns import DnsError, Lookups
from rotator.lib.dns.updates import TextRecord
from rotator.lib.http import explain
from rotator.log import redact_text
from rotator.ports import Clock

CALL_SECONDS = 90.0
"""For one change at a provider, log-in and all: the library's own requests know no limit, and cannot be broken off."""

_LOOK_UP_SECONDS = 0.5
"""How often whoever waits looks at the clock; the end of a change is told at once."""

_MOST_SHOWN = 200  # characters of what a provider says
_DENIED = frozenset({requests.codes.unauthorized, requests.codes.forbidden})


class LexiconWriter:
    """One provider of dns-lexicon; another session for each change, so that rotated credentials are seen."""

    def __init__(self, settings: Dns01, lookups: Lookups, clock: Clock, ended: Told) -> None:
        self._settings = settings
        self._lookups = lookups
        self._clock = clock
        self._ended = ended

    def zone_of(self, name: str) -> str:
        return self._settings.zone or self._lookups.zone_of(name)

    def add(self, record: TextRecord) -> None:
        self._done("add", record, lambda provider: provider.create_record("TXT", record.name, record.value))

    def remove(self, record: TextRecord) -> None:
        self._done("remove", record, lambda provider: _delete(provider, record))

    def _done(self, verb: str, record: TextRecord, change: Callable[[Any], bool]) -> None:
        what = f"{self._settings.provider} did not {verb} the TXT record {record.name} in zone {record.zone}"
        made, secrets = self._maker()
        config = self._config(record.zone, secrets)
        try:
            done = self._within(lambda: _changed(made, config, change), lambda: self._ended(record))
        except _TooLateError as error:
            raise Late(f"{what} within {CALL_SECONDS:g} s") from error
        except Exception as error:  # noqa: BLE001 - whatever eighty providers raise
            # Without the cause: its text, or an address in it, may hold a secret.
            raise _told(what, error, secrets.values()) from None
        if not done:
            raise DnsError(f"{what}, and gives no reason")

    def _within(self, call: Callable[[], bool], ended: Callable[[], None]) -> bool:
        """Run in a thread that nobody waits for beyond the limit.

        Args:
            ended: called in that thread when the call ends later than that.

        Raises:
            _TooLateError: it takes longer; it goes on by itself, and ends with the process at the latest.
        """
        work = _Work(call, ended)
        threading.Thread(target=work.run, name="dns-provider", daemon=True).start()
        deadline = self._clock.monotonic() + CALL_SECONDS
        while not work.done.wait(_LOOK_UP_SECONDS) and self._clock.monotonic() < deadline:
            pass
        return work.answer()

    def _maker(self) -> tuple[Callable[[Any], Any], Mapping[str, str]]:
        """The provider's class, and its secrets."""
        try:
            secrets = {name: secret.reveal() for name, secret in self._settings.credentials.items()}
        except SecretMissing as error:
            raise DnsError(str(error), permanent=True) from error
        return provider_class(self._settings.provider), secrets

    def _config(self, zone: str, secrets: Mapping[str, str]) -> Any:
        from lexicon.config import ConfigResolver

        name = self._settings.provider
        resolver = ConfigResolver()  # type: ignore[no-untyped-call]  # theirs
        return resolver.with_dict(
            {
                "provider_name": name,
                "domain": zone,
                "ttl": self._settings.ttl,
                name: {**self._settings.options, **secrets},
            }
        )


def provider_class(name: str) -> Callable[[Any], Any]:
    """The class of a provider.

    Raises:
        DnsError: dns-lexicon or what the provider needs is not installed, or there is no such provider.
    """
    try:
        from lexicon._private.discovery import find_providers, load_provider_module
    except ImportError as error:
        raise DnsError(
            "DNS providers need dns-lexicon; install it with: pip install 'rotator[dns]'", permanent=True
        ) from error
    known = find_providers()
    if name not in known:
        nearest = next(iter(get_close_matches(name, known, n=1)), "")
        hint = f"did you mean {nearest}?" if nearest else "its documentation lists them"
        raise DnsError(f"dns-lexicon knows no provider {name!r}; {hint}", permanent=True)
    if not known[name]:
        raise DnsError(
            f"the provider {name} needs further packages; install them with: pip install 'dns-lexicon[{name}]'",
            permanent=True,
        )
    made: Callable[[Any], Any] = load_provider_module(name).Provider
    return made


def _changed(made: Callable[[Any], Any], config: Any, change: Callable[[Any], bool]) -> bool:
    provider = made(config)
    provider.authenticate()
    try:
        return bool(change(provider))
    finally:
        provider.cleanup()


def _delete(provider: Any, record: TextRecord) -> bool:
    """Only this value. Asked for first: some providers take it as an error, or delete all, where it is gone already."""
    if not provider.list_records("TXT", record.name, record.value):
        return True
    return bool(provider.delete_record(rtype="TXT", name=record.name, content=record.value))


class _TooLateError(Exception):
    """The call has not ended in time."""


class _Work:
    """A call whose answer is waited for a while."""

    def __init__(self, call: Callable[[], bool], ended: Callable[[], None]) -> None:
        self.done = threading.Event()
        self._call = call
        self._ended = ended
        self._guard = threading.Lock()
        self._answer: bool | BaseException | None = None
        self._is_left = False

    def run(self) -> None:
        try:
            answer: bool | BaseException = self._call()
        except BaseException as error:  # noqa: BLE001 - handed to whoever waits
            answer = error
        with self._guard:
            self._answer = answer
            self.done.set()
            is_left = self._is_left
        if is_left:
            self._ended()

    def answer(self) -> bool:
        """What came of it; or leave it to itself."""
        with self._guard:
            if self._answer is None:
                self._is_left = True
                raise _TooLateError
        if isinstance(self._answer, BaseException):
            raise self._answer
        return self._answer


def _told(what: str, error: Exception, secrets: Any) -> DnsError:
    """What a provider raised, as a sentence without any of our secrets."""
    from lexicon.exceptions import AuthenticationError

    answer = getattr(error, "response", None)
    if isinstance(error, requests.RequestException) and isinstance(answer, requests.Response):
        denied = answer.status_code in _DENIED
        why = "; see that the credentials are right and may write there" if denied else ""
        return DnsError(f"{what}: it answers with status {answer.status_code}{why}", permanent=denied)
    if isinstance(error, requests.RequestException):
        return DnsError(f"{what}: {explain(error)}")
    said = _without(f"{type(error).__name__}: {error}", secrets)
    if isinstance(error, AuthenticationError):
        return DnsError(f"{what}: it does not take the credentials, or does not have the zone ({said})", permanent=True)
    return DnsError(f"{what}: {said}")


def _without(text: str, secrets: Any) -> str:
    for secret in secrets:
        for form in (secret, quote(secret, safe="")):
            text = text.replace(form, "[removed]") if form else text
    return " ".join(redact_text(text).split())[:_MOST_SHOWN]  # an Authorization header has them in base64
