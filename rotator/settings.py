"""What every plugin's settings share: the base class, secret references, durations and addresses of servers."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Mapping
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, get_args
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, GetCoreSchemaHandler, PlainSerializer
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema, core_schema

from rotator.errors import SecretMissing
from rotator.validating import Thorough

_REFERENCE = re.compile(r"^\$\{(env|file):([^}]+)\}$")
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|w)")
_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


class KeyUse(StrEnum):
    """What a target does with the private key of what is put there."""

    NEEDED = "needed"
    OPTIONAL = "optional"  # takes a chain alone as well
    NEVER = "never"  # takes a chain alone: the key is held elsewhere


class PluginSettings(Thorough):
    """The base of all settings: unknown keys are mistakes, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @property
    def key_use(self) -> KeyUse:
        """For a target: whether it has to be given the private key."""
        return KeyUse.NEEDED

    def refuses_key(self, algorithm: str, size: int) -> str:
        """For an issuer: why it is known to sign no such key, in a clause; empty where it may, or nobody knows."""
        return ""

    def unsaid(self) -> Mapping[str, str]:
        """For an issuer: what it could not sign without and does not say yet, a sentence by key; asks nobody.

        No mistakes: they are told by `config check` and at the start, and keep nothing else from starting.
        """
        return {}

    def refuses_name(self, name: str) -> str:
        """For an issuer: what keeps it from ever signing for a name, as `cannot be proved: …`; empty as above."""
        return ""


class SecretRef:
    """A secret named by `${env:NAME}` or `${file:/path}`; read when it is needed, so that a rotated secret is seen.

    Never holds the secret itself, so its `repr` may be shown.
    """

    __slots__ = ("_kind", "_where", "reference")

    def __init__(self, reference: str) -> None:
        match = _REFERENCE.match(reference)
        if match is None:
            raise ValueError("a secret is written as ${env:NAME} or ${file:/path}, never in the file itself")
        self.reference = reference
        self._kind, self._where = match.groups()

    def reveal(self) -> str:
        """Read the secret, without the newline an editor leaves at its end.

        Raises:
            SecretMissing: the variable is not set, or the file cannot be read.
        """
        if self._kind == "env":
            value = os.environ.get(self._where)
            if value is None:
                raise SecretMissing(f"the environment variable {self._where} is not set; {self.reference} needs it")
            return value
        try:
            path = Path(self._where)
            if path.exists() and not path.is_file():  # a pipe would be waited for, again and again
                raise SecretMissing(f"the secret file {self._where} cannot be read: it is no regular file")
            return path.read_text(encoding="utf-8").rstrip("\r\n")
        except OSError as error:
            raise SecretMissing(
                f"the secret file {self._where} cannot be read: {error.strerror or error}; {remedy(error)}"
            ) from error
        except UnicodeDecodeError as error:  # not shown: it quotes bytes of the secret
            raise SecretMissing(f"the secret file {self._where} cannot be read: it is no text in UTF-8") from error

    def __repr__(self) -> str:
        return f"SecretRef({self.reference!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SecretRef) and other.reference == self.reference

    def __hash__(self) -> int:
        return hash(self.reference)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        from_text = core_schema.no_info_after_validator_function(
            cls, core_schema.str_schema(pattern=None, metadata={"secret": True})
        )
        return core_schema.json_or_python_schema(
            json_schema=from_text,
            python_schema=core_schema.union_schema([core_schema.is_instance_schema(cls), from_text]),
            serialization=core_schema.plain_serializer_function_ser_schema(lambda ref: ref.reference),
        )


def remedy(error: BaseException) -> str:
    """What to do about a file that the config names and that cannot be read."""
    if isinstance(error, PermissionError):
        return "let rotator's account read it"
    if not isinstance(error, OSError):
        return "put another one there, or mend the path in the config"
    return "put it there, or mend the path in the config"


class ReadFile(StrEnum):
    """Marks a setting as the path of a file that is read: that it cannot be is told beforehand."""

    ANY = "any"
    CERTIFICATES = "certificates"  # in PEM, at least one
    AUTHORITIES = "authorities"  # the same, or a folder of them as OpenSSL reads it: of hashed names
    ROOTS = "roots"  # the same, or a folder of such files
    KUBECONFIG = "kubeconfig"  # or several as of KUBECONFIG, of which those that are not there are passed over


NamedFile = Annotated[Path, ReadFile.ANY]
Kubeconfig = Annotated[str, ReadFile.KUBECONFIG]
CertificatesFile = Annotated[Path, ReadFile.CERTIFICATES]
AuthoritiesFile = Annotated[Path, ReadFile.AUTHORITIES]


def read_file(info: FieldInfo) -> ReadFile | None:
    """How a setting is marked; also one that may be left out (`NamedFile | None`)."""
    marks = (
        *info.metadata,
        *(mark for part in get_args(info.annotation) for mark in getattr(part, "__metadata__", ())),
    )
    return next((mark for mark in marks if isinstance(mark, ReadFile)), None)


def certificate_files(value: object) -> Iterator[Path]:
    """The files of certificates that settings name, in whatever is nested in them."""
    if isinstance(value, BaseModel):
        for name, info in type(value).model_fields.items():
            found = getattr(value, name)
            if read_file(info) not in {ReadFile.CERTIFICATES, ReadFile.AUTHORITIES, ReadFile.ROOTS}:
                yield from certificate_files(found)
            elif found:
                yield Path(found)
    elif isinstance(value, Mapping):
        for below in value.values():
            yield from certificate_files(below)
    elif isinstance(value, list | tuple):
        for below in value:
            yield from certificate_files(below)


def server_url(value: str, what: str, like: str, *, schemes: Collection[str] = ("http", "https")) -> str:
    """The address of a server as the operator writes it, without a slash at its end.

    Args:
        what: whose address it is, as the end of a sentence.
        like: an example.

    Raises:
        ValueError: it is none, or holds what no such address has: a user, a query, a fragment, or a port that there
            is not.
    """
    try:
        parts = urlsplit(value)
        fits = parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:  # of the port, or of half a bracket around an address
        fits = False
    else:
        if "@" in parts.netloc:  # not shown
            raise ValueError(f"the address of {what} holds neither user nor password; write it like {like}")
        fits = fits and not parts.query and not parts.fragment
    if not fits:
        raise ValueError(f"{value!r} is no address of {what}; write it like {like}")
    return value.rstrip("/")


def parse_duration(value: object) -> object:
    """Read `90s`, `1h30m`, `30d`; what is neither text nor number is left to pydantic.

    A number without a unit is refused: whoever writes `renew_before: 30` means days, and would get seconds.

    Raises:
        ValueError: the text is no duration, or the number has no unit.
    """
    if isinstance(value, bool):
        raise ValueError("it should be a duration like 30s, 15m, 1h30m or 30d")  # noqa: TRY004 - for pydantic
    if isinstance(value, int | float) and value:
        raise ValueError(f"{value} has no unit; write it like {value}s, {value}m, {value}h or {value}d")
    if not isinstance(value, str):
        return value
    text = value.strip()
    pieces = _DURATION.findall(text)
    if not pieces or _DURATION.sub("", text).strip():
        raise ValueError(f"{value!r} is no duration; write it like 30s, 15m, 1h30m or 30d")
    try:
        return timedelta(seconds=sum(float(number) * _UNITS[unit] for number, unit in pieces))
    except OverflowError as error:
        raise ValueError(f"{value!r} is longer than can be counted") from error


def show_duration(value: timedelta) -> str:
    """Write a duration the way people write it in the config: `1h30m`, `30d`."""
    seconds = round(value.total_seconds())
    if seconds == 0:
        return "0s"
    text = ""
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        count, seconds = divmod(seconds, size)
        text += f"{count}{unit}" if count else ""
    return text


Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration, json_schema_input_type=str),
    PlainSerializer(show_duration, return_type=str),
]
