"""What goes wrong with a Vault, for those who ask it."""

from __future__ import annotations

from datetime import timedelta


class VaultError(Exception):
    """Vault refused or could not be reached; the message is one clause for people, with Vault's own words in it.

    Attributes:
        status: of the answer, None when there was none.
        permanent: trying again unchanged will not help.
        retry_after: the wait that Vault named, or one that makes sense (a sealed Vault).
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        permanent: bool = False,
        retry_after: timedelta | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.permanent = permanent
        self.retry_after = retry_after
