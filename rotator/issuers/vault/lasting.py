"""How long a certificate of a mount would live, judged before it is asked for; pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from rotator.core.model import Certificate, Check
from rotator.core.pem import moment
from rotator.settings import show_duration

USEFUL = 10  # a certificate cut to less than a tenth of what was asked for is renewed for ever without gaining anything
_RENEW_CA = "renew the CA of the mount and have its root trusted first"


@dataclass(frozen=True, slots=True)
class Lasting:
    """What is known beforehand of a certificate's end.

    Attributes:
        wanted: the lifetime that would be asked for; None leaves it to the role.
        usual: what the role gives without being asked; zero where that is not known.
        most: what the role gives at most; zero where that is not known.
        current: what it would replace.
        of_mount: the role leaves `most` to its mount.
    """

    now: datetime
    wanted: timedelta | None
    usual: timedelta
    most: timedelta
    current: Certificate | None
    of_mount: bool = False

    @property
    def lifetime(self) -> timedelta:
        """What the role would give."""
        asked = self.wanted or self.usual
        return min(asked, self.most) if self.most and asked else asked or self.most

    def of_role(self) -> Check | None:
        """The role's word on the lifetime; None where there is nothing to say."""
        end = self.now + self.lifetime
        giver, setting = ("mount", "max_lease_ttl") if self.of_mount else ("role", "max_ttl")
        if self.lifetime and self.current and end <= self.current.not_after:
            return Check(
                "lifetime",
                f"the {giver} gives {show_duration(self.lifetime)} at most, and that ends {moment(end)}, no later than "
                f"the certificate that it would replace ({moment(self.current.not_after)})",
                f"raise the {giver}'s {setting}, or renew later",
            )
        if self.wanted and self.most and self.most < self.wanted:
            given = show_duration(self.most)
            return Check("lifetime", detail=f"the {giver} gives {given} of the {show_duration(self.wanted)} asked for")
        return None

    def of_ca(self, ends: datetime, behaviour: str) -> Check:
        """Whether the CA lives long enough.

        Args:
            behaviour: the CA's `leaf_not_after_behavior` (`err`, `truncate`, `permit`); empty where it is not known.
        """
        wish = self.now + self.lifetime
        if wish <= ends and ends > self.now:
            return Check("ca", detail=f"it ends {moment(ends)}")
        story = f"the CA ends {moment(ends)}, before a certificate of {show_duration(self.lifetime)} would"
        left = ends - self.now
        worth_it = left > timedelta(0) and left >= self.lifetime / USEFUL
        if behaviour == "truncate" and worth_it and not self._gains_nothing(ends):
            return Check("ca", detail=f"{story}, so that is cut to it")
        means = {
            "truncate": "cut to it, a certificate is not worth the renewal",
            "permit": "it would be signed, and verify no longer than the CA",
        }.get(behaviour, "it is refused")
        return Check("ca", f"{story}: {means}", _RENEW_CA)

    def _gains_nothing(self, end: datetime) -> bool:
        return self.current is not None and end <= self.current.not_after
