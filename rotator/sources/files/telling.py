"""What is told of a file beside its certificates: labels, owner, and why rotator would never write it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from rotator.core.adoptable import issuer_name
from rotator.core.model import Chain, Location, Owner
from rotator.lib.keystore import Contents, Entry, Kind
from rotator.sources.files.keys import SAYS_NOTHING, FoundKey

CERTIFICATE_SUFFIXES = (".crt", ".cer", ".cert", ".pem", ".der")
_PEM_SUFFIXES = (".crt", ".cer", ".cert", ".pem", ".chain", ".fullchain", ".bundle", ".ca", ".cacert")
_BEGINS = re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:-----BEGIN |Bag Attributes|Certificate:|subject=|issuer=|\d s:)")
_HEADER = re.compile(
    rb"-----BEGIN (?:(?:X509 |TRUSTED )?CERTIFICATE|PKCS7|PKCS #7 SIGNED DATA|CMS)-----[ \t]*\r?(?:\n|$)\s*[\w+/]"
)


def is_pem_file(path: str, content: bytes) -> bool:
    """Whether a file is there for its PEM, rather than a program or a document with some PEM in it."""
    return path.lower().endswith(_PEM_SUFFIXES) or _BEGINS.match(content) is not None


def has_certificate_block(content: bytes) -> bool:
    """Whether a line begins a certificate, with data below it: not just the words, as in a program."""
    return _HEADER.search(content) is not None


def shown(text: str) -> str:
    """A path as it can be shown and stored: what is no UTF-8 or no printable character, as an escape."""
    if text.isprintable():
        return text
    escaped = (c if c.isprintable() else c.encode("unicode_escape").decode() for c in _bytes_escaped(text))
    return "".join(escaped)


def _bytes_escaped(text: str) -> str:
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def labels(location: Location, path: Path, entry: Entry, contents: Contents, key: FoundKey | None) -> Mapping[str, str]:
    """What adoption rules can match on, and people read."""
    in_generations = _is_folder_of(location, path)
    folder = Path(location.address) if in_generations else path.parent
    says_nothing = path.stem in SAYS_NOTHING
    told = {
        "path": shown(str(path)),
        "dir": shown(str(folder)),
        "folder": shown(folder.name),
        "name": shown(folder.name if says_nothing and folder.name else path.stem),
        "issuer": issuer_name(Chain(entry.certificates).leaf),
        "format": contents.kind.value,
    }
    if entry.alias:
        told["alias"] = entry.alias
    if contents.kind in {Kind.JKS, Kind.JCEKS}:
        told["integrity"] = "checked" if contents.intact else "not checked"
    if key is not None:
        told["key_path"] = shown(str(key.path))
    if in_generations:
        told["generations"] = location.address
    return MappingProxyType(told)


def _is_folder_of(location: Location, path: Path) -> bool:
    return str(path).startswith(location.address + "/")


def owner(path: Path) -> Owner | None:
    """Certbot keeps links in `live/<name>` and what it renews in `renewal/<name>.conf`; it would undo what we write."""
    folder = path.parent
    if folder.parent.name == "live" and (folder.parent.parent / "renewal" / f"{folder.name}.conf").is_file():
        return Owner("certbot", f"lineage {folder.name}", f"certbot renew --cert-name {folder.name}")
    return None


def never_written(path: Path, contents: Contents, key: FoundKey | None, *, several: bool, embedded: bool) -> str:
    """Why target `files` could not put a new certificate there; empty when it could."""
    if contents.kind is not Kind.PEM:
        return f"it is in a file of format {contents.kind}, which rotator reads and does not write"
    if several:
        return "it is one of several certificates in its file, and rotator writes whole files"
    if embedded:
        return "it stands in a file with other text, and rotator writes whole files"
    if shown(str(path)) != str(path):
        return "the name of its file is no printable text"
    return key.closed if key else ""
