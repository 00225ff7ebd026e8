"""Tests of what the issuer `vault` says beforehand of a certificate's lifetime, on a real OpenBao that then signs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rotator.core.model import Check, PreflightRequest
from rotator.core.pem import moment
from rotator.errors import IssueError
from rotator.issuers.vault.lasting import Lasting
from tests.issuers.asking import ask, issue
from tests.issuers.vault_asking import TOKEN, MakeIssuer, check, issuer_maker
from tests.pki import Authority
from tests.servers.openbao import OpenBao, PkiMount, new_pki_mount

DAY = timedelta(days=1)
NOW = datetime(2026, 11, 30, tzinfo=UTC)


@pytest.fixture
def make(pki_mount: PkiMount, monkeypatch: pytest.MonkeyPatch) -> MakeIssuer:
    """Build the issuer on the test's mount, with other settings where the test says so."""
    return issuer_maker(pki_mount, monkeypatch)


class TestLifetime:
    """The end of the CA, and the end of what the role gives."""

    @pytest.mark.parametrize(
        ("behaviour", "asked", "problem", "detail"),
        [
            ("err", 30 * DAY, "it is refused", ""),
            ("truncate", 5 * DAY, "", "so that is cut to it"),
            ("truncate", 60 * DAY, "not worth the renewal", ""),
            ("permit", 30 * DAY, "verify no longer than the CA", ""),
            ("err", DAY, "", "it ends "),
        ],
    )
    def test_a_ca_that_ends_first(
        self,
        openbao: OpenBao,
        make: MakeIssuer,
        monkeypatch: pytest.MonkeyPatch,
        behaviour: str,
        asked: timedelta,
        problem: str,
        detail: str,
    ) -> None:
        """`err` refuses, `truncate` cuts, `permit` outlives its CA: each is told, and each comes out as told."""
        with new_pki_mount(openbao, root_ttl="72h") as short:
            monkeypatch.setenv(TOKEN, short.token)
            openbao.expect(
                "POST",
                f"{short.mount}/issuer/default",
                {
                    "leaf_not_after_behavior": behaviour,
                    "issuer_name": "short",
                    "usage": "issuing-certificates,crl-signing",
                },
            )
            issuer = make(mount=short.mount)

            found = check(issuer, "ca", PreflightRequest(("a.example.com",), lifetime=asked))
            try:
                ends = issue(issuer, ask("a.example.com", lifetime=asked)).not_after
            except IssueError:
                ends = None
            (root,) = issuer.roots()

        assert problem in found.problem and bool(problem) == bool(found.problem)
        assert detail in found.detail
        if problem == "it is refused":
            assert ends is None
        elif behaviour == "permit":
            assert ends and ends > root.not_after
        else:
            assert ends and ends <= root.not_after

    def test_a_role_that_gives_less_is_told(self, pki_mount: PkiMount, make: MakeIssuer) -> None:
        """A cut lifetime is a remark; one that ends before the certificate it would replace is a problem."""
        pki_mount.set_role(max_ttl="240h", ttl="24h")
        now = datetime.now(UTC)
        current = Authority("CA", not_before=now - DAY, not_after=now + 90 * DAY)
        longer, shorter = (
            current.issue(["a.example.com"], not_before=now - DAY, not_after=now + days * DAY).chain.leaf
            for days in (20, 5)
        )

        def lifetime(request: PreflightRequest) -> Check:
            return check(make(), "lifetime", request)

        names = ("a.example.com",)
        assert lifetime(PreflightRequest(names, 30 * DAY, current=shorter)).detail.startswith("the role gives 10d of")
        assert "no later than the certificate" in lifetime(PreflightRequest(names, 30 * DAY, current=longer)).problem

    @pytest.mark.parametrize("ttl", ["0", "20h"], ids=["nothing", "the usual"])
    def test_what_the_role_leaves_open_the_mount_says(
        self, openbao: OpenBao, pki_mount: PkiMount, make: MakeIssuer, ttl: str
    ) -> None:
        """A role without a lifetime of its own: what its mount gives at most is foretold, and is what comes."""
        pki_mount.set_role(max_ttl="0", ttl=ttl)
        openbao.expect(
            "POST", f"sys/mounts/{pki_mount.mount}/tune", {"default_lease_ttl": "5h", "max_lease_ttl": "48h"}
        )

        found = check(make(), "lifetime", PreflightRequest(("a.example.com",), lifetime=30 * DAY))
        leaf = issue(make(), ask("a.example.com", lifetime=30 * DAY)).leaf

        assert found.detail == "the mount gives 2d of the 30d asked for"
        assert abs(leaf.not_after - datetime.now(UTC) - 2 * DAY) < timedelta(minutes=5)

    TOO_SHORT: tuple[tuple[dict[str, str], dict[str, str], timedelta | None, str, str, timedelta], ...] = (
        # the role; the mount; what is asked for; what is said; what to do; how long it comes out
        (
            {"ttl": "24h", "max_ttl": "2160h"}, {}, None,
            "the role gives 1d unless more is asked for, and that ends", "set `lifetime`, or the role's `ttl`", DAY,
        ),
        (
            {"ttl": "0", "max_ttl": "2160h"}, {"default_lease_ttl": "24h"}, None,
            "the mount gives 1d unless more is asked for, and that ends", "set `lifetime`, or the role's `ttl`", DAY,
        ),
        (
            {"ttl": "0", "max_ttl": "0"}, {"default_lease_ttl": "24h", "max_lease_ttl": "2160h"}, None,
            "the mount gives 1d unless more is asked for, and that ends", "set `lifetime`, or the role's `ttl`", DAY,
        ),
        (
            {"ttl": "24h", "max_ttl": "2160h"}, {"max_lease_ttl": "48h"}, 3 * DAY,
            "a lifetime of 3d is asked for, and that ends", "set a longer `lifetime`", 3 * DAY,
        ),
        (
            {"ttl": "24h", "max_ttl": "48h"}, {}, 30 * DAY,
            "the role gives 2d at most, and that ends", "raise the role's max_ttl", 2 * DAY,
        ),
        (
            {"ttl": "24h", "max_ttl": "48h"}, {}, None,
            "the role gives 2d at most, and that ends", "raise the role's max_ttl and set `lifetime`, or the role's "
            "`ttl`", DAY,
        ),
        (
            {"ttl": "24h", "max_ttl": "0"}, {"max_lease_ttl": "48h"}, 30 * DAY,
            "the mount gives 2d at most, and that ends", "raise the mount's max_lease_ttl", 2 * DAY,
        ),
        (
            {"ttl": "240h", "max_ttl": "0"}, {"max_lease_ttl": "48h"}, None,
            "the mount gives 2d at most, and that ends", "raise the mount's max_lease_ttl", 2 * DAY,
        ),
        (
            {"ttl": "0", "max_ttl": "0"}, {"default_lease_ttl": "5h", "max_lease_ttl": "48h"}, None,
            "the mount gives 2d at most, and that ends", "raise the mount's max_lease_ttl and set `lifetime`, or the "
            "role's `ttl`", timedelta(hours=5),
        ),
    )  # fmt: skip

    KINDS = (
        "the role's default", "the mount's default", "all of the mount", "the wish", "the role's most",
        "both of the role", "the mount's most", "the role above the mount's most", "both of the mount",
    )  # fmt: skip

    @pytest.mark.parametrize(("role", "mount", "wanted", "said", "remedy", "comes"), TOO_SHORT, ids=KINDS)
    def test_what_is_too_short_is_named_with_the_setting_that_makes_it_so(
        self,
        openbao: OpenBao,
        pki_mount: PkiMount,
        make: MakeIssuer,
        role: dict[str, str],
        mount: dict[str, str],
        wanted: timedelta | None,
        said: str,
        remedy: str,
        comes: timedelta,
    ) -> None:
        """What comes without being asked for, what is asked for, or what is given at most; by the role, or by the
        mount where the role leaves it open. Who does what is said has a certificate that lives longer."""
        pki_mount.set_role(**role)
        openbao.expect("POST", f"sys/mounts/{pki_mount.mount}/tune", mount)
        now, names = datetime.now(UTC), ("a.example.com",)
        current = Authority("CA", not_before=now - DAY, not_after=now + 90 * DAY)
        leaf = current.issue(names, not_before=now - DAY, not_after=now + 5 * DAY).chain.leaf

        found = check(make(), "lifetime", PreflightRequest(names, wanted, current=leaf))
        came = issue(make(), ask(*names, lifetime=wanted)).leaf

        assert found.problem.startswith(said)
        assert found.problem.endswith(f"no later than the certificate that it would replace ({moment(leaf.not_after)})")
        assert found.remedy == f"{remedy}, or renew later"
        assert abs(came.not_after - datetime.now(UTC) - comes) < timedelta(minutes=5)

    def test_what_is_asked_for_in_time_is_no_problem(
        self, openbao: OpenBao, pki_mount: PkiMount, make: MakeIssuer
    ) -> None:
        """The remedy helps: a `lifetime` where the role's own is short, by the role's maximum and not the mount's."""
        pki_mount.set_role(ttl="24h", max_ttl="2160h")
        openbao.expect("POST", f"sys/mounts/{pki_mount.mount}/tune", {"max_lease_ttl": "48h"})
        now, names = datetime.now(UTC), ("a.example.com",)
        current = Authority("CA", not_before=now - DAY, not_after=now + 90 * DAY)
        leaf = current.issue(names, not_before=now - DAY, not_after=now + 5 * DAY).chain.leaf

        checks = make(lifetime="30d").preflight(PreflightRequest(names, current=leaf))
        came = issue(make(lifetime="30d"), ask(*names)).leaf

        assert [each for each in checks if each.problem or each.name == "lifetime"] == []
        assert came.not_after > leaf.not_after

    def test_a_lifetime_that_only_the_server_knows_is_not_taken_for_the_longest(
        self, openbao: OpenBao, make: MakeIssuer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Neither the role nor its mount says what comes without being asked for: a CA that ends before the longest
        lifetime is no problem, and signs."""
        with new_pki_mount(openbao, root_ttl="2000h") as short:
            monkeypatch.setenv(TOKEN, short.token)
            short.set_role(ttl="0", max_ttl="0")

            found = check(make(mount=short.mount), "ca")

            assert (found.problem, found.detail.partition(" 2")[0]) == ("", "it ends")
            assert issue(make(mount=short.mount), ask("a.example.com")).names == ("a.example.com",)

    @given(
        wanted=st.none() | st.integers(1, 400),
        usual=st.integers(0, 400),
        most=st.integers(0, 400),
        ca=st.integers(-10, 4000),
        behaviour=st.sampled_from(["", "err", "truncate", "permit", "whatever"]),
    )
    def test_a_ca_that_lives_long_enough_is_never_a_problem(
        self, wanted: int | None, usual: int, most: int, ca: int, behaviour: str
    ) -> None:
        """And one that has ended always is, whatever else is known."""
        lasting = Lasting(NOW, wanted * DAY if wanted else None, usual * DAY, most * DAY, None)

        found = lasting.of_ca(NOW + ca * DAY, behaviour)

        assert lasting.lifetime <= most * DAY or not most
        if ca > 0 and lasting.lifetime <= ca * DAY:
            assert not found.problem
        if ca <= 0:
            assert found.problem
