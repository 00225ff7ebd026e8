"""The source `vault` on PKI mounts of a real OpenBao: its CAs, and the records of what they have issued."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from rotator.core.model import Observation, Use
from rotator.core.pem import certificate_pem
from rotator.core.trust import verify_path
from rotator.sources.vault import VaultSource
from tests.issuers.asking import ask, clock_at
from tests.servers.hostile import HostileProxy
from tests.servers.loopback import Request, Response
from tests.servers.openbao import OpenBao, PkiMount
from tests.sources.vault import DAY, NOW, Look, intermediate, looked, partial_look, source_on


@pytest.fixture
def source(openbao: OpenBao, monkeypatch: pytest.MonkeyPatch) -> Look:
    return source_on(openbao, monkeypatch)


def issued(source: VaultSource) -> list[Observation]:
    """The records that were told, without the CAs."""
    return [each for each in source.observe() if each.labels["kind"] == "issued"]


def make(mount: PkiMount, names: list[str], begins: int, ends: int) -> str:
    """Have the mount issue for these names, from and to a day counted from now; the serial number."""
    begin, end = (f"{NOW + each * DAY:%Y-%m-%dT%H:%M:%SZ}" for each in (begins, ends))
    body = {"common_name": names[0], "alt_names": ",".join(names), "not_before": begin, "not_after": end}
    made = mount.server.expect("POST", f"{mount.mount}/issue/{mount.role}", body)
    return str(made["data"]["serial_number"])


class TestIssued:
    """PKI mounts."""

    def issue(self, mount: PkiMount, name: str, **settings: object) -> str:
        """Have the mount sign a request; its serial number."""
        return str(mount.sign(ask(name).request.csr.decode(), **settings)["serial_number"])

    def test_the_ca_and_what_it_has_issued(self, pki_mount: PkiMount, source: Look) -> None:
        """The CA is something to trust, with its end; what it issued is a record without a key."""
        serial = self.issue(pki_mount, "shop.example.com")

        authority, issued = source(pki_mount.mount).observe()

        assert authority.use is Use.TRUST
        assert authority.chain is not None
        assert certificate_pem(authority.chain.leaf).decode().strip() == pki_mount.root().strip()
        assert authority.labels["kind"] == "ca"
        assert authority.labels["default"] == "true"
        assert issued.location.address == f"{pki_mount.mount}/cert/{serial}"
        assert issued.chain is not None
        assert issued.chain.names == ("shop.example.com",)
        assert issued.key is None
        assert issued.use is Use.SERVE
        assert "a CA's record" in issued.never_adopt
        assert dict(issued.labels) == {
            "kind": "issued",
            "mount": pki_mount.mount,
            "path": f"cert/{serial}",
            "name": "shop.example.com",
            "issuer": f"rotator test root {pki_mount.mount}",
        }

    def test_an_intermediate_completes_what_it_has_issued(
        self, openbao: OpenBao, pki_mount: PkiMount, source: Look
    ) -> None:
        """The CAs above a record come from the mount, the root left out; both CAs are told."""
        made = openbao.expect("POST", f"{pki_mount.mount}/intermediate/generate/internal", {"common_name": "Issuing"})
        signing = {"csr": made["data"]["csr"], "common_name": "Issuing", "ttl": "2000h"}
        signed = openbao.expect("POST", f"{pki_mount.mount}/root/sign-intermediate", signing)["data"]
        body = {"certificate": signed["certificate"]}
        imported = openbao.expect("POST", f"{pki_mount.mount}/intermediate/set-signed", body)["data"]
        default = {"default": imported["imported_issuers"][0]}
        openbao.expect("POST", f"{pki_mount.mount}/config/issuers", default)
        self.issue(pki_mount, "shop.example.com")

        found = list(source(pki_mount.mount).observe())

        assert sorted(each.labels["kind"] for each in found) == ["ca", "ca", "issued"]
        (leaf,) = (each.chain for each in found if each.labels["kind"] == "issued")
        assert leaf is not None
        assert [each.subject for each in leaf.certificates[1:]] == ["CN=Issuing"]
        assert {each.labels["issuer"] for each in found if each.labels.get("default")} == {
            f"rotator test root {pki_mount.mount}"
        }

    def test_a_record_is_verified_with_the_roots_of_its_mount(self, pki_mount: PkiMount, source: Look) -> None:
        """A private CA is in no system's store: whether its record is good is asked of the mount's own root."""
        self.issue(pki_mount, "shop.example.com")

        (found,) = issued(source(pki_mount.mount))

        assert [certificate_pem(each).decode().strip() for each in found.anchors] == [pki_mount.root().strip()]
        assert found.chain is not None
        assert verify_path(found.chain, found.anchors, datetime.now(UTC), ["shop.example.com"]) is None

    def test_where_the_root_is_kept_elsewhere_the_highest_ca_is_the_anchor(
        self, pki_mount: PkiMount, source: Look
    ) -> None:
        """An intermediate's mount often has no root: the record is still as good as its CA."""
        ca = intermediate()
        pki_mount.server.expect("DELETE", f"{pki_mount.mount}/root")
        pem = certificate_pem(ca.certificate) + ca.key
        imported = pki_mount.server.expect("POST", f"{pki_mount.mount}/config/ca", {"pem_bundle": pem.decode()})["data"]
        default = {"default": imported["imported_issuers"][0]}
        pki_mount.server.expect("POST", f"{pki_mount.mount}/config/issuers", default)
        self.issue(pki_mount, "shop.example.com")

        (found,) = (each for each in issued(source(pki_mount.mount)) if each.use is Use.SERVE)

        assert found.anchors == (ca.certificate,)
        assert found.chain is not None
        assert verify_path(found.chain, found.anchors, datetime.now(UTC), ["shop.example.com"]) is None

    def test_what_has_ended_is_history(self, pki_mount: PkiMount, source: Look) -> None:
        """A CA lists a certificate of a day long after it ended; nobody serves it, so nothing is told of it."""
        self.issue(pki_mount, "day.example.com", ttl="24h")
        self.issue(pki_mount, "year.example.com", ttl="2000h")

        found = issued(source(pki_mount.mount, clock=clock_at(NOW + 21 * DAY)))

        assert [each.labels["name"] for each in found] == ["year.example.com"]

    def test_a_renewal_supersedes_the_record_before_it(self, pki_mount: PkiMount, source: Look) -> None:
        """Of records for the same names the newest is told, whichever ends last, with the number of those before it."""
        pki_mount.set_role(key_type="ec")
        serials = [make(pki_mount, ["b.example.com", "a.example.com"], begins, 60) for begins in (-3, -1, -2)]
        alone = make(pki_mount, ["a.example.com"], -4, 70)

        found = {each.labels["path"]: each.labels.get("superseded") for each in issued(source(pki_mount.mount))}

        assert found == {f"cert/{serials[1]}": "2", f"cert/{alone}": None}

    def test_a_client_certificate_supersedes_no_servers(self, pki_mount: PkiMount, source: Look) -> None:
        """Two uses of one name are two certificates."""
        for is_server in (True, False):
            pki_mount.set_role(server_flag=is_server, client_flag=not is_server)
            self.issue(pki_mount, "shop.example.com")

        found = issued(source(pki_mount.mount))

        assert sorted(each.use for each in found) == [Use.CLIENT, Use.SERVE]
        assert [each.labels.get("superseded") for each in found] == [None, None]

    def test_an_ended_record_is_told_where_nothing_came_after_it(self, pki_mount: PkiMount, source: Look) -> None:
        """With `expired_for` a forgotten renewal is seen; one that was made is no alarm, in whatever order it came."""
        pki_mount.set_role(key_type="ec")
        make(pki_mount, ["renewed.example.com"], -9, 2)
        later = make(pki_mount, ["renewed.example.com"], -8, 50)
        make(pki_mount, ["shorter.example.com"], -8, 2)
        longer = make(pki_mount, ["shorter.example.com"], -9, 3)

        settings = {"clock": clock_at(NOW + 4 * DAY), "expired_for": "30d"}
        found = {each.labels["name"]: each.labels["path"] for each in issued(source(pki_mount.mount, **settings))}

        assert found == {"renewed.example.com": f"cert/{later}", "shorter.example.com": f"cert/{longer}"}

    def test_a_ca_that_has_ended_is_told_while_it_signs(self, pki_mount: PkiMount, source: Look) -> None:
        """An old CA is history too, but not the one that the mount still issues from."""
        old = pki_mount.server.expect("POST", f"{pki_mount.mount}/root/generate/internal", {"common_name": "Old"})
        later = NOW + timedelta(days=4000)

        found = list(source(pki_mount.mount, clock=clock_at(later)).observe())

        assert old
        assert [(each.labels["kind"], each.labels.get("default")) for each in found] == [("ca", "true")]

    def test_history_and_what_was_revoked_is_left_out(self, pki_mount: PkiMount, source: Look) -> None:
        """What ended longer ago than `expired_for` is not in service, nor is what its CA took back."""
        kept = self.issue(pki_mount, "kept.example.com", ttl="1000h")
        self.issue(pki_mount, "old.example.com", ttl="1h")
        revoked = self.issue(pki_mount, "revoked.example.com", ttl="1000h")
        pki_mount.server.expect("POST", f"{pki_mount.mount}/revoke", {"serial_number": revoked})

        def serials(after: timedelta) -> list[str]:
            found = source(pki_mount.mount, clock=clock_at(NOW + after), expired_for="3d").observe()
            return sorted(each.labels["name"] for each in found if each.labels["kind"] == "issued")

        assert kept
        assert serials(2 * DAY) == ["kept.example.com", "old.example.com"]
        assert serials(4 * DAY) == ["kept.example.com"]

    def test_the_newest_come_first_and_the_rest_is_told(self, pki_mount: PkiMount, source: Look) -> None:
        """A mount with more than `most_issued` is read so far, and the message says how many there are."""
        pki_mount.set_role(key_type="ec")
        for days, name in ((2, "c"), (4, "a"), (1, "d"), (3, "b")):
            begins, ends = (f"{NOW + each * DAY:%Y-%m-%dT%H:%M:%SZ}" for each in (days, 60))
            body = {"common_name": f"{name}.example.com", "not_before": begins, "not_after": ends}
            pki_mount.server.expect("POST", f"{pki_mount.mount}/issue/{pki_mount.role}", body)

        found, said = partial_look(source(pki_mount.mount, most_issued=3, page_size=2))

        newest = [each.labels["name"] for each in found if each.labels["kind"] == "issued"]
        assert newest == ["a.example.com", "b.example.com", "c.example.com"]
        assert said == (
            f"source bao: more was issued than is read: {pki_mount.mount} (5); raise `most_issued`, or tidy the mount"
        )

    def test_serials_that_begin_alike_are_all_read(self, pki_mount: PkiMount, source: Look) -> None:
        """Of sixty-four serials some share their first octet, and a page that ends at one of these loses none."""
        pki_mount.set_role(key_type="ec")
        names = {f"n{number}.example.com" for number in range(64)}
        for name in names:
            make(pki_mount, [name], -1, 60)

        assert {each.labels["name"] for each in issued(source(pki_mount.mount, page_size=1))} == names

    @pytest.mark.parametrize("page_size", [2, 1000])
    def test_a_server_without_details_is_read_by_its_plain_list(
        self, openbao: OpenBao, pki_mount: PkiMount, source: Look, page_size: int
    ) -> None:
        """Vault knows neither pages nor details nor, before 1.11, several issuers: the same comes out."""
        names = {f"{number}.example.com" for number in range(3)}
        for name in names:
            self.issue(pki_mount, name)

        def older(request: Request) -> Response | None:
            if "/issuers" in request.path or "/certs/detailed" in request.path:
                return Response(404, body=b'{"errors":[]}')
            return None

        def unpaged(request: Request, response: Response) -> Response:
            if "/certs" not in request.path:
                return response
            keys = {"keys": pki_mount.certificates()}
            return replace(response, body=json.dumps({"data": keys}).encode())

        with HostileProxy(openbao.url, before=older, after=unpaged) as proxy:
            found, said = looked(source(pki_mount.mount, url=proxy.url, page_size=page_size))

        assert said == ""
        assert [each.labels["path"] for each in found if each.labels["kind"] == "ca"] == ["cert/ca_chain"]
        assert sorted(each.labels["name"] for each in found if each.labels["kind"] == "issued") == sorted(names)

    def test_a_mount_without_a_ca_is_empty(self, openbao: OpenBao, pki_mount: PkiMount, source: Look) -> None:
        """Nothing is there yet, which is no failure."""
        openbao.expect("DELETE", f"{pki_mount.mount}/root")

        found, said = looked(source(pki_mount.mount))

        assert [each for each in found if each.labels["kind"] == "ca"] == []
        assert said == ""
