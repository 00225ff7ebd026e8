"""What the JSON of every verb is made of: its types, its text, and certificates."""

from __future__ import annotations

import json
from typing import TypeAlias

from rotator.core.model import Certificate, Chain
from rotator.report.plain import safe_json
from rotator.report.words import iso

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"
Object: TypeAlias = dict[str, Json]


def text(value: Json, *, plain: bool = False) -> str:
    r"""The JSON text as every verb prints it: indented, in the order of the keys as documented, one final newline.

    Args:
        plain: ASCII alone, everything else as `\uXXXX`, for a stream whose encoding does not have every character.
    """
    return safe_json(json.dumps(value, indent=2, ensure_ascii=plain)) + "\n"


def certificate(one: Certificate) -> Object:
    """`fingerprint` (SHA-256 of the DER), `serial` (hex), `subject`, `issuer`, `names`, `not_before`, `not_after`,
    `key` (`ecdsa-256` …), `spki` (SHA-256 of the public key), `problems`."""
    return {
        "fingerprint": one.fingerprint,
        "serial": f"{one.serial:x}",
        "subject": one.subject,
        "issuer": one.issuer,
        "names": list(one.names),
        "not_before": iso(one.not_before),
        "not_after": iso(one.not_after),
        "key": f"{one.key_algorithm}-{one.key_size}" if one.key_size else one.key_algorithm,
        "spki": one.spki,
        "problems": list(one.problems),
    }


def leaf(chain: Chain | None) -> Object | None:
    """The leaf of a chain, with `chain_length` beside the keys of a certificate."""
    return {**certificate(chain.leaf), "chain_length": len(chain.certificates)} if chain else None
