"""How each certificate of a simulated fleet lives now, and what the fleet as a whole needs. Pure."""

from __future__ import annotations

import math
from array import array
from collections import Counter

from rotator.core.guards import AN_HOUR
from rotator.core.lead import PolicySettings
from rotator.core.simulate.fleet import Fleet


class Present:
    """What changes as certificates are succeeded by others that live longer or shorter.

    Attributes:
        life: the way to live of each certificate.
        cycle: seconds from the beginning of its validity to its due moment.
        changing: certificates whose successors live otherwise.
        leads, soon: of each way to live, see `Life`.
        an_hour: orders an hour that the fleet may have, see `plan.orders_an_hour`.
    """

    def __init__(self, fleet: Fleet, settings: PolicySettings) -> None:
        self._fleet = fleet
        self._settings = settings
        self.life = array("H", fleet.life)
        self.cycle = array("q", fleet.cycle)
        self.changing = {one for one, own in enumerate(fleet.life) if own != fleet.later[one]}
        self.leads = [life.lead_us for life in fleet.lives]
        self.soon = [life.soon for life in fleet.lives]
        self._lives = Counter(fleet.life)
        self.an_hour = self._orders_an_hour()

    def succeed(self, one: int) -> None:
        """A certificate has its successor."""
        if one not in self.changing:
            return
        self.changing.remove(one)
        before, later = self.life[one], self._fleet.later[one]
        self.life[one] = later
        self.cycle[one] = self._fleet.lives[later].cycle(self._fleet.spec(one).name)
        self._lives[before] -= 1
        self._lives[later] += 1
        self.an_hour = self._orders_an_hour()

    def _orders_an_hour(self) -> int:
        if self._settings.an_hour is not None:
            return self._settings.an_hour
        needed = sum(number * self._fleet.lives[life].an_hour for life, number in self._lives.items())
        return max(AN_HOUR, math.ceil(round(2 * needed, 6)))
