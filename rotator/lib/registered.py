"""The registered domain of a name by the public suffix list, which CAs count certificates by."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from rotator.core.csr import is_address

if TYPE_CHECKING:
    from publicsuffixlist import PublicSuffixList


@lru_cache(maxsize=100_000)
def registered_domain(name: str) -> str:
    """`example.co.uk` for `*.shop.example.co.uk`; a public suffix and an address are their own.

    The list is the one that the library brings with it: asked offline, and as old as its release.
    """
    domain = name.removeprefix("*.").rstrip(".").lower()
    if is_address(domain):
        return domain
    return _suffixes().privatesuffix(domain) or domain


@lru_cache(maxsize=1)
def _suffixes() -> PublicSuffixList:
    from publicsuffixlist import PublicSuffixList

    return PublicSuffixList()
