"""What every store must do, whoever wrote it: subclass `StoreConformance` and give it a store.

    class TestMyStore(StoreConformance):
        @pytest.fixture(params=["my_store"])
        def store(self, request: pytest.FixtureRequest) -> Iterator[Store]: ...

The store is new and empty for each case, its clock stands at `NOW`. The parameter of the fixture is what the ids of the
cases end with. Two more fixtures let the cases look at what outlives a process; without them those cases are skipped:

- `again`: a function, picklable, that opens the same state once more after `store` was closed or its process died;
- `at_rest`: a function that gives every byte of the state as it lies on the disk.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from rotator.conformance.stores.certificates import KeepsBundles, KeepsIssuing, KnowsCertificates
from rotator.conformance.stores.durability import (
    Locks,
    Opener,
    RefusesNaiveMoments,
    SealsKeys,
    SurvivesCrashes,
)
from rotator.conformance.stores.examples import NOW
from rotator.conformance.stores.people import HearsPeople, KeepsCampaigns, TellsPeople
from rotator.conformance.stores.rotations import KeepsDeployments, KeepsPlans, RecordsOutcomes
from rotator.ports import Store

__all__ = ["NOW", "Opener", "StoreConformance"]


class StoreConformance(
    KnowsCertificates,
    KeepsIssuing,
    KeepsBundles,
    KeepsDeployments,
    RecordsOutcomes,
    KeepsPlans,
    HearsPeople,
    KeepsCampaigns,
    TellsPeople,
    Locks,
    SurvivesCrashes,
    SealsKeys,
    RefusesNaiveMoments,
):
    """The cases; the subclass gives the fixture `store`."""

    @pytest.fixture
    def store(self) -> Store:
        """The store under test, new and empty."""
        pytest.fail("override the fixture `store`: it is what the cases are run on", pytrace=False)

    @pytest.fixture
    def again(self) -> Opener:
        """Opens the state of `store` once more."""
        pytest.skip("no fixture `again` opens this store a second time")

    @pytest.fixture
    def at_rest(self) -> Callable[[], bytes]:
        """Every byte of the state of `store` as it lies on the disk."""
        pytest.skip("no fixture `at_rest` shows what this store writes")
