"""What a certificate may be used for, told by its extended key usage (RFC 5280, 4.2.1.12). Pure."""

from __future__ import annotations

from rotator.core.model import Certificate, Use

SERVER_AUTH, CLIENT_AUTH, ANY_USAGE = "1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2", "2.5.29.37.0"


def use_of(leaf: Certificate | None) -> Use:
    """What a leaf is there for: clients only where its extended key usage says so and leaves servers out."""
    usages = set(leaf.extended_key_usages) if leaf else set()
    return Use.CLIENT if CLIENT_AUTH in usages and not usages & {SERVER_AUTH, ANY_USAGE} else Use.SERVE
