"""What a role of the PKI engine allows, and its mount where the role leaves it open, as far as they tell; pure.

Only what the engine would surely refuse is an objection. Templates and the names of tokens are known to the server
alone, and a newer server may allow more than is known here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from rotator.core.csr import is_address
from rotator.core.model import KeySpec
from rotator.lib.signing import common_name

DEFAULT_CA = "default"
"""How the engine calls the CA of a mount that signs where nobody names one."""

_KEY_TYPES: Mapping[str, str] = {"rsa": "rsa", "ec": "ecdsa", "ed25519": "ed25519"}
_LEAST_BITS = {"rsa": 2048, "ecdsa": 256}


@dataclass(frozen=True, slots=True)
class Role:
    """A role; an empty mapping is one that refuses nothing.

    Attributes:
        max_ttl: zero where the mount decides.
        issuer_ref: which CA of the mount signs.
    """

    said: Mapping[str, Any]

    @property
    def ttl(self) -> timedelta:
        return _duration(self.said.get("ttl"))

    @property
    def max_ttl(self) -> timedelta:
        return _duration(self.said.get("max_ttl"))

    @property
    def issuer_ref(self) -> str:
        ref = self.said.get("issuer_ref")
        return ref if isinstance(ref, str) and ref and "/" not in ref else DEFAULT_CA

    @property
    def leaves_lifetime_open(self) -> bool:
        """Whether its mount has a say in how long certificates live; not told of a role that cannot be read."""
        return bool(self.said) and not (self.ttl and self.max_ttl)

    def objections(self, names: Sequence[str], key: KeySpec) -> Iterator[str]:
        """What it would refuse about a request: one clause each."""
        for name in names:
            if self._refuses(name):
                yield f"it does not allow {name}"
        if self.said.get("require_cn") is True and not common_name(tuple(names)):
            yield "it requires a common name, and none of the names fits into one (`require_cn=false` mends that)"
        yield from self._about(key)

    def _about(self, key: KeySpec) -> Iterator[str]:
        wanted = _KEY_TYPES.get(str(self.said.get("key_type", "")))
        if wanted and wanted != key.algorithm:
            yield f"it signs {wanted} keys only, and the key would be {key.algorithm}"
            return
        bits = self.said.get("key_bits")
        least = bits if isinstance(bits, int) and bits and wanted else _LEAST_BITS.get(key.algorithm, 0)
        if key.size and key.size < least:
            yield f"it wants {key.algorithm} keys of at least {least} bits, and the key would have {key.size}"

    def _refuses(self, name: str) -> bool:
        if not self.said:
            return False
        if is_address(name):
            return self.said.get("allow_ip_sans") is False
        if "://" in name:
            return not self._templated and not _matches(self.said.get("allowed_uri_sans"), name)
        return not self._allows_host(name.lower())

    @property
    def _templated(self) -> bool:
        templates = ("allowed_domains_template", "allowed_uri_sans_template", "allow_token_displayname")
        return any(self.said.get(field) for field in templates)

    def _allows_host(self, name: str) -> bool:
        base = name.removeprefix("*.")
        if base != name and self.said.get("allow_wildcard_certificates") is False:
            return False
        if self._templated or self.said.get("allow_any_name"):
            return True
        local = self.said.get("allow_localhost", True) and base.rpartition(".")[2] in {"localhost", "localdomain"}
        return bool(local) or any(self._is_below(name, base, domain.lower()) for domain in self._domains)

    @property
    def _domains(self) -> tuple[str, ...]:
        domains = self.said.get("allowed_domains")
        return tuple(str(domain) for domain in domains if domain) if isinstance(domains, list) else ()

    def _is_below(self, name: str, base: str, domain: str) -> bool:
        """Whether one of the allowed domains covers a name; `base` is the name without `*.` before it."""
        if self.said.get("allow_bare_domains") and name == domain:
            return True
        if self.said.get("allow_subdomains") and (base.endswith(f".{domain}") or (base != name and base == domain)):
            return True
        return bool(self.said.get("allow_glob_domains")) and "*" in domain and _matches([domain], name)


@dataclass(frozen=True, slots=True)
class Mount:
    """What a mount was tuned to; zero where the server's own default holds, or it cannot be read."""

    said: Mapping[str, Any]

    @property
    def ttl(self) -> timedelta:
        return _duration(self._config.get("default_lease_ttl"))

    @property
    def max_ttl(self) -> timedelta:
        return _duration(self._config.get("max_lease_ttl"))

    @property
    def _config(self) -> Mapping[str, Any]:
        found = self.said.get("config")
        return found if isinstance(found, Mapping) else {}


def _matches(patterns: object, text: str) -> bool:
    """Whether one of these patterns, in which `*` stands for anything, covers a text."""
    listed = patterns if isinstance(patterns, list) else []
    return any(re.fullmatch(re.escape(str(each)).replace(r"\*", ".*"), text, re.DOTALL) for each in listed)


def _duration(value: object) -> timedelta:
    longest = timedelta.max // timedelta(seconds=1)
    return timedelta(seconds=min(value, longest)) if isinstance(value, int) and value > 0 else timedelta(0)
