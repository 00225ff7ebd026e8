"""What the values of a Secret or ConfigMap hold: certificates in any format, and the keys that belong to them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from rotator.core.model import Chain, KeyFacts, Problem, ProblemKind, Use
from rotator.lib.keystore import Broken, Entry, HeldKey, KeystoreError, Unknown, has_key, held_keys, read

_CA_KEY = re.compile(r"(^|[-_.])(ca|cas|cacerts?|ca-?bundle|root|roots|trust|truststore)([-_.]|$)", re.IGNORECASE)
_PASSWORD_KEY = re.compile(r"pass(word|phrase)?|storepass|\bpin\b", re.IGNORECASE)
_LONGEST_PASSWORD = 256
_BEGINNINGS = (b"-----BEGIN ", b"\x30", b"\xfe\xed\xfe\xed", b"\xce\xce\xce\xce")
_ENDING = re.compile(r"\.(crt|cer|cert|pem|key|der)$", re.IGNORECASE)
_MATES = {"cert": "key", "certificate": "key", "fullchain": "privkey", "chain": "key", "tls": "tls"}
"""The stems that a key has whose certificate has another one."""


@dataclass(frozen=True, slots=True)
class Held:
    """One chain, or one bundle of CA certificates, in a value.

    Attributes:
        name: the key of the value.
        alias: tells it from others in the same value; empty where it is the only one.
        key: facts of its private key, from the same value or another one of the same object.
        keys: the keys of all values that it is made of.
    """

    name: str
    alias: str
    chain: Chain | None
    use: Use
    key: KeyFacts | None
    problem: Problem | None
    keys: frozenset[str]


def is_authority(name: str) -> bool:
    """Whether a key is one that CA certificates are kept under: `ca.crt`, `ca-bundle.pem`, `truststore.jks` …"""
    return bool(_CA_KEY.search(name))


class Values:
    """The values of one object. Nothing of a private key is kept but whose it is."""

    def __init__(self, values: Mapping[str, bytes]) -> None:
        self._values = values
        self._keys: dict[str, tuple[HeldKey, ...]] = {
            name: held_keys(value) for name, value in values.items() if has_key(value)
        }
        self._passwords = tuple(
            value.decode("utf-8", "replace").rstrip("\r\n")
            for name, value in values.items()
            if _PASSWORD_KEY.search(name) and len(value) <= _LONGEST_PASSWORD
        )

    def held(self, name: str) -> Iterator[Held]:
        """What one value holds; nothing where it has nothing to do with certificates."""
        value = self._values[name]
        try:
            contents = read(value, self._passwords)
        except Unknown:
            return
        except Broken as error:
            # Scripts and templates speak of certificates, too; what begins as one ought to be one.
            if value.lstrip().startswith(_BEGINNINGS):
                yield self._failed(name, "", ProblemKind.UNREADABLE, str(error))
            return
        except KeystoreError as error:
            yield self._failed(name, "", ProblemKind.UNSEEN, str(error))
            return
        for entry in contents.entries:
            if entry.problem or not entry.certificates:
                yield self._failed(name, entry.alias, ProblemKind.UNREADABLE, entry.problem or "it is empty")
            else:
                yield self._entry(name, entry)

    def _failed(self, name: str, alias: str, kind: ProblemKind, why: str) -> Held:
        use = Use.TRUST if is_authority(name) else Use.SERVE
        return Held(name, alias, None, use, None, Problem(kind, f"{name}: {why}"), frozenset({name}))

    def _entry(self, name: str, entry: Entry) -> Held:
        chain, use, key, mate = Chain(entry.certificates), entry.use, entry.key, name
        if key is None:
            mate, key = self._key_for(name, chain)
        if use is Use.TRUST and key and key.matches:
            use = Use.SERVE  # a CA that signs, not one that is only trusted
        elif use is Use.SERVE and key is None and is_authority(name):
            use = Use.TRUST
        return Held(name, entry.alias, chain, use, key, None, frozenset({name, mate}))

    def _key_for(self, name: str, chain: Chain) -> tuple[str, KeyFacts | None]:
        """The key among the other values: the one that fits, else the one that is named to belong to it."""
        for other, keys in self._keys.items():
            for key in keys:
                if key.spki and key.spki == chain.spki:
                    return other, key.facts(chain, None)
        stem = _ENDING.sub("", name.lower())
        for other, keys in self._keys.items():
            if other != name and _ENDING.sub("", other.lower()) in {stem, _MATES.get(stem)} and len(keys) == 1:
                return other, keys[0].facts(chain, None)
        return name, None
