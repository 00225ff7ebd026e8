"""The certificate that is shown to servers which ask their clients for one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.serialization import load_pem_private_key
from OpenSSL import SSL

from rotator.core.pem import MAX_PEM_BYTES, PemError, key_matches, load, read_chain, read_key
from rotator.errors import RotatorError
from rotator.lib.plainfile import Unfit, read


class ClientCertificateUnfit(RotatorError):  # noqa: N818 - reads as what happened
    """The client certificate or its key cannot be used; says which file and why, never what is in it."""


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """Where it lies: the chain, leaf first, and the key; both in PEM, and one file may hold both."""

    certificate: Path
    key: Path

    def show_in(self, context: SSL.Context) -> None:
        """Have a context show it to servers that ask.

        Raises:
            ClientCertificateUnfit: a file cannot be read, is not what it should be, or the two do not belong together.
        """
        try:
            chain = read_chain(_content(self.certificate, "client certificate"))
        except PemError as error:
            raise ClientCertificateUnfit(f"the client certificate {self.certificate} is unfit: {error}") from error
        text = _content(self.key, "client key")
        try:
            key = read_key(text)
            fits = key_matches(chain, key)
        except PemError as error:
            raise ClientCertificateUnfit(f"the client key {self.key} is unfit: {error}") from error
        if not fits:
            told = f"the client key {self.key} does not belong to the client certificate {self.certificate}"
            raise ClientCertificateUnfit(told)
        leaf, *others = map(load, chain.certificates)
        try:
            context.use_certificate(leaf)
            for other in others:
                context.add_extra_chain_cert(other)
            context.use_privatekey(load_pem_private_key(key, password=None))  # type: ignore[arg-type]  # told below
        except (SSL.Error, TypeError) as error:
            told = f"TLS has no use for the client certificate {self.certificate}: its key is of another kind"
            raise ClientCertificateUnfit(told) from error


def _content(path: Path, what: str) -> bytes:
    try:
        return read(path, most=MAX_PEM_BYTES).content
    except Unfit as error:
        raise ClientCertificateUnfit(f"the {what} {path} cannot be read: {error}") from error
    except OSError as error:
        raise ClientCertificateUnfit(f"the {what} {path} cannot be read: {error.strerror or error}") from error
