"""What every target must do, whoever wrote it: subclass `TargetConformance` and give it a target.

    class TestMyTarget(TargetConformance):
        @pytest.fixture(params=["my_target"])
        def subject(self) -> TargetSubject:
            return TargetSubject(build=…, put=…, read=…)

The parameter of the fixture is what the ids of the cases end with. What a target cannot do is declared and skipped,
never silently passed over; everything else must pass.
"""

from __future__ import annotations

import pytest

from rotator.conformance.targets.careful import Adoption, NeverShowsHalf, Rehearsal
from rotator.conformance.targets.deploying import Deploys, Looks
from rotator.conformance.targets.subject import Bundles, Feature, Pair, TargetSubject, made_bundles
from rotator.conformance.targets.undoing import Fails, PutsBack

__all__ = ["Bundles", "Feature", "Pair", "TargetConformance", "TargetSubject"]


class TargetConformance(Looks, Deploys, PutsBack, Fails, NeverShowsHalf, Rehearsal, Adoption):
    """The cases; the subclass gives the fixture `subject`."""

    @pytest.fixture
    def subject(self) -> TargetSubject:
        """The place under test, empty."""
        pytest.fail("override the fixture `subject`: it is what the cases are run on", pytrace=False)

    @pytest.fixture
    def bundles(self) -> Bundles:
        """The same for every case."""
        return made_bundles()
