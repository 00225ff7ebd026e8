"""How long a certificate of a mount would live, judged before it is asked for; pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from rotator.core.model import Certificate, Check
from rotator.core.pem import moment
from rotator.settings import show_duration

USEFUL = 10  # a certificate cut to less than a tenth of what was asked for is renewed for ever without gaining anything
_ASK = "set `lifetime`, or the role's `ttl`"
_RENEW_CA = "renew the CA of the mount and have its root trusted first"


@dataclass(frozen=True, slots=True)
class Lasting:
    """What is known beforehand of a certificate's end.

    A role's `max_ttl` stands in place of its mount's `max_lease_ttl`, also where that is less; its `ttl` in place of
    the mount's `default_lease_ttl`.

    Attributes:
        wanted: the lifetime that would be asked for; None leaves it to the role.
        usual: what comes without being asked for; zero where that is not known, as of the server's own default.
        most: what is given at most; zero where that is not known.
        current: what it would replace.
        usual_of_mount: the role leaves `usual` to its mount.
        most_of_mount: the role leaves `most` to its mount.
    """

    now: datetime
    wanted: timedelta | None
    usual: timedelta
    most: timedelta
    current: Certificate | None
    usual_of_mount: bool = False
    most_of_mount: bool = False

    @property
    def lifetime(self) -> timedelta:
        """What would come; zero where that is not known."""
        return min(self._asked, self.most) if self.most else self._asked

    @property
    def _asked(self) -> timedelta:
        return self.wanted or self.usual

    def of_role(self) -> Check | None:
        """The word of the role, or of its mount, on the lifetime; None where there is nothing to say."""
        if self.most and self._gains_nothing(self.now + self.most):
            return self._too_short(
                self.most, f"the {self._limiter} gives {show_duration(self.most)} at most", self._raise
            )
        if self.lifetime and self._gains_nothing(self.now + self.lifetime):
            said = show_duration(self.lifetime)
            if self.wanted:
                return self._too_short(self.lifetime, f"a lifetime of {said} is asked for", "set a longer `lifetime`")
            giver = "mount" if self.usual_of_mount else "role"
            return self._too_short(self.lifetime, f"the {giver} gives {said} unless more is asked for", _ASK)
        if self.wanted and self.most and self.most < self.wanted:
            given = f"{show_duration(self.most)} of the {show_duration(self.wanted)} asked for"
            return Check("lifetime", detail=f"the {self._limiter} gives {given}")
        return None

    @property
    def _limiter(self) -> str:
        return "mount" if self.most_of_mount else "role"

    @property
    def _raise(self) -> str:
        """More than the most, and then to ask for it, where what would come without it is too short as well."""
        setting = "max_lease_ttl" if self.most_of_mount else "max_ttl"
        asking = ""
        if not self._asked or self._gains_nothing(self.now + self._asked):
            asking = " and set a longer `lifetime`" if self.wanted else f" and {_ASK}"
        return f"raise the {self._limiter}'s {setting}{asking}"

    def _too_short(self, lives: timedelta, what: str, remedy: str) -> Check:
        assert self.current is not None  # nothing else is too short
        then = f"no later than the certificate that it would replace ({moment(self.current.not_after)})"
        return Check(
            "lifetime", f"{what}, and that ends {moment(self.now + lives)}, {then}", f"{remedy}, or renew later"
        )

    def of_ca(self, ends: datetime, behaviour: str) -> Check:
        """Whether the CA lives long enough.

        Args:
            behaviour: the CA's `leaf_not_after_behavior` (`err`, `truncate`, `permit`); empty where it is not known.
        """
        wish = self.now + self.lifetime
        if wish <= ends and ends > self.now:
            return Check("ca", detail=f"it ends {moment(ends)}")
        left = ends - self.now
        story = f"the CA ends {moment(ends)}, before a certificate of {show_duration(self.lifetime)} would"
        if not self.lifetime:
            story = f"the CA ended {moment(ends)}"
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
