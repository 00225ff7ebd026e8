"""Tests of the issuer `aws_pca` on recorded answers of AWS."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from rotator.core.model import Check, Endpoint, PreflightRequest, RevocationReason
from rotator.core.pem import key_matches
from rotator.core.trust import verify_path
from rotator.errors import IssueError, Pending
from rotator.issuers.aws_pca import AwsPcaIssuer, AwsPcaSettings
from rotator.lib.clockwatch import ClockWatch
from rotator.lib.http import listening
from tests.issuers.asking import Drawer, ask, clock_at, issue, real_clock
from tests.pki import Authority
from tests.servers.acm_pca import AcmPca
from tests.servers.certificates import authority
from tests.servers.loopback import Response
from tests.servers.ports import LOOPBACK

NOW = datetime.now(UTC)
DAY = timedelta(days=1)
ARN = "arn:aws:acm-pca:eu-west-1:123456789012:certificate-authority/01234567-89ab-cdef-0123-456789abcdef"
ROLE = "arn:aws:iam::123456789012:role/issuing"
ARN_IN_CHINA = ARN.replace("aws:", "aws-cn:", 1).replace("eu-west-1", "cn-north-1")

MakeIssuer = Callable[..., AwsPcaIssuer]


@pytest.fixture
def ca() -> Authority:
    """An intermediate, below a root."""
    root = Authority("Root", not_before=NOW - DAY, not_after=NOW + 900 * DAY)
    return Authority("Issuing", not_before=NOW - DAY, not_after=NOW + 400 * DAY, parent=root)


@pytest.fixture
def server(ca: Authority, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[AcmPca]:
    """The CA at AWS; credentials are in the environment alone."""
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-secret-of-the-test")
    with AcmPca(ca) as server:
        yield server


@pytest.fixture
def make(server: AcmPca) -> MakeIssuer:
    """Build the issuer on the test's CA, with a clock that waits for nobody."""

    def built(**settings: object) -> AwsPcaIssuer:
        standard = {"ca_arn": server.arn, "endpoint_url": server.url}
        return AwsPcaIssuer("pca", AwsPcaSettings.model_validate({**standard, **settings}), clock_at(NOW), Drawer())

    return built


def check(issuer: AwsPcaIssuer, name: str, lifetime: timedelta | None = None) -> Check:
    """One of the checks, by its name."""
    checks = issuer.preflight(PreflightRequest(("a.example.com",), lifetime=lifetime))
    return next(each for each in checks if each.name == name)


class TestSigning:
    """What comes back when all is well."""

    def test_leaf_and_intermediate_come_back(self, make: MakeIssuer, ca: Authority) -> None:
        """AWS sends the root along; it is known as the root, and not sent on."""
        issuer, asked = make(), ask("shop.example.com", "10.0.0.1")

        chain = issue(issuer, asked)

        assert chain.certificates[1:] == (ca.certificate,)
        assert set(chain.names) == {"shop.example.com", "10.0.0.1"}
        assert key_matches(chain, asked.key)
        assert issuer.roots() == (ca.root,)
        assert verify_path(chain, issuer.roots(), NOW, asked.request.names) is None

    def test_a_root_that_signs_itself_is_the_root(self, server: AcmPca, make: MakeIssuer) -> None:
        """AWS gives a root CA no chain."""
        server.ca = Authority("Root", not_before=NOW - DAY, not_after=NOW + 400 * DAY)
        issuer = make()

        assert len(issue(issuer, ask("shop.example.com")).certificates) == 1
        assert issuer.roots() == (server.ca.certificate,)

    def test_the_lifetime_is_exact(self, server: AcmPca, make: MakeIssuer) -> None:
        """The request's, the issuer's, or ninety days; of a CA for short-lived certificates six."""
        lifetimes = [
            issue(issuer, ask("shop.example.com", lifetime=asked)).lifetime
            for issuer, asked in ((make(lifetime="12d"), 5 * DAY), (make(lifetime="12d"), None), (make(), None))
        ]
        server.described["UsageMode"] = "SHORT_LIVED_CERTIFICATE"
        lifetimes.append(issue(make(), ask("shop.example.com")).lifetime)

        assert lifetimes == [5 * DAY, 12 * DAY, 90 * DAY, 6 * DAY]

    @pytest.mark.parametrize(
        ("key", "algorithm"),
        [
            ("RSA_2048", "SHA256WITHRSA"),
            ("RSA_4096", "SHA256WITHRSA"),
            ("EC_prime256v1", "SHA256WITHECDSA"),
            ("EC_secp384r1", "SHA384WITHECDSA"),
            ("EC_secp521r1", "SHA512WITHECDSA"),
        ],
    )
    def test_the_algorithm_goes_with_the_cas_key(
        self, server: AcmPca, make: MakeIssuer, key: str, algorithm: str
    ) -> None:
        """AWS refuses one of another family; the settings may say another of the same."""
        config = server.described["CertificateAuthorityConfiguration"]
        config |= {"KeyAlgorithm": key, "SigningAlgorithm": algorithm}

        issue(make(), ask("a.example.com"))
        issue(make(signing_algorithm=f"SHA512{algorithm[6:]}", lifetime="1d"), ask("b.example.com"))

        used = [order.asked["SigningAlgorithm"] for order in server.orders.values()]
        assert used == [algorithm, f"SHA512{algorithm[6:]}"]

    def test_what_is_said_in_full_needs_no_look_at_the_ca(self, server: AcmPca, make: MakeIssuer) -> None:
        """With an algorithm and a lifetime, the right to describe the CA is not needed; a template is passed on."""
        server.refuse("DescribeCertificateAuthority", "AccessDeniedException")
        template = "arn:aws:acm-pca:::template/EndEntityServerAuthCertificate/V1"

        issue(make(signing_algorithm="SHA256WITHECDSA", lifetime="9d", template_arn=template), ask("a.example.com"))

        (order,) = server.orders.values()
        assert order.asked["TemplateArn"] == template


class TestOrders:
    """An order survives what happens to us."""

    def test_a_certificate_that_takes_a_while_is_waited_for(self, server: AcmPca, make: MakeIssuer) -> None:
        """A few seconds are waited; the clock of the test does not take them."""
        server.patience = 3

        assert issue(make(), ask("a.example.com")).names == ("a.example.com",)
        assert server.calls["GetCertificate"] == 4

    def test_a_certificate_that_takes_long_is_pending_and_taken_up(self, server: AcmPca, make: MakeIssuer) -> None:
        """The token names the order; the next call fetches it, and orders nothing."""
        server.patience = 12
        asked, tokens = ask("a.example.com"), list[str]()

        with pytest.raises(Pending) as pending:
            issue(make(), asked, checkpoint=tokens.append)
        chain = issue(make(), asked, resume=tokens[-1])

        assert pending.value.retry_after == timedelta(seconds=15)
        assert chain.names == ("a.example.com",)
        assert server.calls["IssueCertificate"] == 1

    def test_a_crash_before_the_token_was_kept_orders_nothing_twice(self, server: AcmPca, make: MakeIssuer) -> None:
        """The same request is the same order to AWS, for five minutes."""
        asked = ask("a.example.com")

        def crash(token: str) -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            issue(make(), asked, checkpoint=crash)
        issue(make(), asked)

        assert len(server.orders) == 1

    @pytest.mark.parametrize("change", ["other request", "nonsense"])
    def test_a_token_that_names_no_order_of_ours_is_as_good_as_none(
        self, server: AcmPca, make: MakeIssuer, change: str
    ) -> None:
        """One for another request, and one of somebody else."""
        first, second, tokens = ask("a.example.com"), ask("b.example.com"), list[str]()
        issue(make(), first, checkpoint=tokens.append)
        token = tokens[0] if change == "other request" else '{"certificate": 7, "csr": []}'

        chain = issue(make(), second if change == "other request" else first, resume=token)

        assert chain.names == (("b.example.com",) if change == "other request" else ("a.example.com",))

    @pytest.mark.parametrize("change", ["unknown", "failed"])
    def test_an_order_that_is_lost_is_a_failure_before_it_is_made_anew(
        self, server: AcmPca, make: MakeIssuer, change: str
    ) -> None:
        """Nothing is ordered in its place in the same call, where nobody would count it; the next try orders."""
        asked, tokens = ask("a.example.com"), list[str]()
        issue(make(), asked, checkpoint=tokens.append)
        if change == "unknown":
            server.orders.clear()
        else:
            (order,) = server.orders.values()
            order.failed, order.token = "The request failed.", "spent"
        placed = server.calls["IssueCertificate"]

        with pytest.raises(IssueError, match="the order in flight is lost") as lost:
            issue(make(), asked, resume=tokens[0])
        assert not lost.value.permanent
        assert server.calls["IssueCertificate"] == placed

        assert issue(make(), asked).names == ("a.example.com",)

    @pytest.mark.parametrize(
        ("code", "status", "stands"),
        [
            ("InternalFailure", 501, True),  # of the 5xx one that botocore does not try again for half a minute
            ("ExpiredTokenException", 400, True),
            ("AccessDeniedException", 400, False),
            ("SomethingNewException", 400, False),
        ],
    )
    def test_an_order_outlives_an_outage(
        self, server: AcmPca, make: MakeIssuer, code: str, status: int, stands: bool
    ) -> None:
        """What was ordered is paid for: what passes by itself is come back to with the token, and nothing ordered."""
        asked, tokens = ask("a.example.com"), list[str]()
        server.refuse("GetCertificate", code, status=status)

        with pytest.raises(IssueError, match=r"^pca: ") as failed:
            issue(make(), asked, checkpoint=tokens.append)
        del server.refusals["GetCertificate"]
        chain = issue(make(), asked, resume=tokens[-1])

        assert failed.value.resumable is stands
        assert chain.names == ("a.example.com",)
        assert server.calls["IssueCertificate"] == 1

    def test_an_outage_before_the_order_leaves_nothing_to_come_back_to(self, server: AcmPca, make: MakeIssuer) -> None:
        """Without a token there is no order that stands."""
        server.refuse("IssueCertificate", "InternalFailure", status=501)

        with pytest.raises(IssueError) as failed:
            issue(make(), ask("a.example.com"))

        assert not failed.value.resumable

    def test_an_order_that_fails_is_permanent(self, server: AcmPca, make: MakeIssuer) -> None:
        """AWS says why."""
        asked, tokens = ask("a.example.com"), list[str]()
        issue(make(), asked, checkpoint=tokens.append)
        server.refuse("GetCertificate", "RequestFailedException", "The CA is out of order.")

        with pytest.raises(IssueError, match=r"^pca: .*The CA is out of order") as refused:
            issue(make(), ask("b.example.com"))

        assert refused.value.permanent
        assert set(json.loads(tokens[0])) == {"certificate", "csr"}


class TestRevoking:
    """`revoke`."""

    def test_a_certificate_is_revoked_once_and_again(self, server: AcmPca, make: MakeIssuer) -> None:
        """By its serial, with AWS's word for the reason; the second time is no error."""
        leaf = issue(make(), ask("a.example.com")).leaf

        make().revoke(leaf, RevocationReason.CA_COMPROMISE)
        make().revoke(leaf, RevocationReason.SUPERSEDED)

        ((serial, reason),) = server.revoked.items()
        assert int(serial.replace(":", ""), 16) == leaf.serial
        assert reason == "CERTIFICATE_AUTHORITY_COMPROMISE"

    @pytest.mark.parametrize("reason", RevocationReason)
    def test_every_reason_is_one_that_aws_knows(
        self, server: AcmPca, make: MakeIssuer, reason: RevocationReason
    ) -> None:
        """The words of the API's own model."""
        import botocore.session

        model = botocore.session.get_session().get_service_model("acm-pca")
        leaf = issue(make(), ask("a.example.com")).leaf

        make().revoke(leaf, reason)

        assert set(server.revoked.values()) <= set(model.shape_for("RevocationReason").enum)

    def test_a_certificate_of_another_ca_is_refused(self, make: MakeIssuer, ca: Authority) -> None:
        """AWS does not know its serial."""
        with pytest.raises(IssueError, match=r"^pca: .*was not issued by this CA") as refused:
            make().revoke(ca.certificate, RevocationReason.UNSPECIFIED)

        assert refused.value.permanent


class TestBeforehand:
    """What is known without ordering, and what AWS refuses."""

    def test_a_ca_that_is_active_is_well(self, make: MakeIssuer) -> None:
        """Its end is told."""
        assert check(make(), "ca").detail.startswith("it is active, and ends ")
        assert not check(make(), "lifetime").problem

    @pytest.mark.parametrize("status", ["DISABLED", "EXPIRED", "DELETED", "PENDING_CERTIFICATE", "FAILED"])
    def test_a_ca_that_is_not_active_signs_nothing(self, server: AcmPca, make: MakeIssuer, status: str) -> None:
        """A person has to do something, so it is permanent."""
        server.described["Status"] = status

        with pytest.raises(IssueError, match="not in a valid state") as refused:
            issue(make(), ask("a.example.com"))

        assert f"the CA is {status}" in check(make(), "ca").problem
        assert refused.value.permanent

    def test_a_ca_that_ends_first_refuses(self, make: MakeIssuer) -> None:
        """Known beforehand, and permanent."""
        with pytest.raises(IssueError, match="exceeds the certificate authority validity") as refused:
            issue(make(), ask("a.example.com", lifetime=500 * DAY))

        assert "before a certificate of 500d would; AWS refuses it" in check(make(), "ca", 500 * DAY).problem
        assert refused.value.permanent

    def test_a_ca_for_short_lived_certificates_gives_seven_days(self, server: AcmPca, make: MakeIssuer) -> None:
        """Ninety days asked of it are known beforehand to be too long."""
        server.described["UsageMode"] = "SHORT_LIVED_CERTIFICATE"

        with pytest.raises(IssueError, match="seven days at most") as refused:
            issue(make(), ask("a.example.com", lifetime=90 * DAY))

        assert "of 7d at most, not 90d" in check(make(), "lifetime", 90 * DAY).problem
        assert not check(make(), "lifetime").problem
        assert refused.value.permanent

    @pytest.mark.parametrize(
        ("code", "permanent", "words"),
        [
            ("AccessDeniedException", True, "allow it in our policy"),
            ("MalformedCSRException", True, "refuses IssueCertificate"),
            ("SomethingNewException", False, "refuses IssueCertificate"),
            ("ExpiredTokenException", False, "renew our credentials"),
        ],
    )
    def test_a_refusal_is_judged(
        self, server: AcmPca, make: MakeIssuer, code: str, permanent: bool, words: str
    ) -> None:
        """What a person has to change is permanent; what passes is not."""
        server.refuse("IssueCertificate", code)

        with pytest.raises(IssueError, match=rf"^pca: .*{words}") as refused:
            issue(make(), ask("a.example.com"))

        assert refused.value.permanent is permanent
        assert "a-secret-of-the-test" not in str(refused.value)

    def test_the_right_to_describe_is_missed_only_where_it_is_needed(self, server: AcmPca, make: MakeIssuer) -> None:
        """With algorithm and lifetime both said an order works without it; the CA's end is not known beforehand."""
        server.refuse("DescribeCertificateAuthority", "AccessDeniedException")
        full = make(signing_algorithm="SHA256WITHECDSA")

        issue(make(signing_algorithm="SHA256WITHECDSA", lifetime="9d"), ask("a.example.com"))

        found = check(full, "ca", 9 * DAY)
        assert "not known beforehand" in found.detail
        assert not found.told
        assert not check(full, "ca", 9 * DAY).problem
        assert "AWS denies DescribeCertificateAuthority" in check(full, "ca").problem

    def test_nothing_is_asked_without_credentials(
        self, server: AcmPca, make: MakeIssuer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The sentence says where they come from; the preflight says it, too."""
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")

        with pytest.raises(IssueError, match="there are no credentials for AWS; set AWS_PROFILE"):
            issue(make(), ask("a.example.com"))

        assert "there are no credentials" in check(make(), "ca").problem
        assert not server.calls

    @pytest.mark.parametrize(
        "body", [b"{}", b"<html>sign in</html>", b'{"CertificateArn": 7}', b'{"CertificateArn": ""}']
    )
    def test_an_order_that_nobody_names_is_an_error(self, server: AcmPca, make: MakeIssuer, body: bytes) -> None:
        """A success without the certificate's name is none: nothing is kept that would be come back to in vain."""
        server.refusals["IssueCertificate"] = Response(200, {"Content-Type": "application/x-amz-json-1.1"}, body)
        tokens = list[str]()

        with pytest.raises(IssueError, match=r"^pca: AWS took the order, but does not say") as failed:
            issue(make(), ask("a.example.com"), checkpoint=tokens.append)

        assert not failed.value.permanent
        assert not tokens

    def test_an_answer_that_is_no_text_is_an_error(self, server: AcmPca, make: MakeIssuer) -> None:
        """Somebody between us and AWS answers in another encoding; what AWS's own library raises does not get out."""
        body = "Zugriff für Gäste".encode("latin-1")
        server.refusals["IssueCertificate"] = Response(200, {"Content-Type": "text/html"}, body)

        with pytest.raises(IssueError, match="no answer of AWS") as failed:
            issue(make(), ask("a.example.com"))

        assert not failed.value.permanent

    def test_an_answer_without_a_certificate_is_an_error(self, server: AcmPca, make: MakeIssuer) -> None:
        """A success without a chain is none, and may come out right the next time."""
        body = b'{"Certificate": "<html>", "CertificateChain": ""}'
        server.refusals["GetCertificate"] = Response(200, {"Content-Type": "application/x-amz-json-1.1"}, body)

        with pytest.raises(IssueError, match="no certificate chain") as refused:
            issue(make(), ask("a.example.com"))

        assert not refused.value.permanent


@pytest.mark.parametrize(
    ("settings", "hosts"),
    [
        ({"ca_arn": ARN}, ["acm-pca.eu-west-1.amazonaws.com"]),
        ({"ca_arn": ARN_IN_CHINA}, ["acm-pca.cn-north-1.amazonaws.com.cn"]),
        ({"ca_arn": ARN, "endpoint_url": "https://vpce-1.example.com"}, ["vpce-1.example.com"]),
        ({"ca_arn": ARN, "role_arn": ROLE}, ["acm-pca.eu-west-1.amazonaws.com", "sts.eu-west-1.amazonaws.com"]),
        (
            {"ca_arn": ARN, "role_arn": ROLE, "endpoint_url": "https://vpce-1.example.com"},
            ["vpce-1.example.com", "sts.eu-west-1.amazonaws.com"],
        ),
    ],
)
def test_the_api_is_a_peer(settings: dict[str, str], hosts: list[str]) -> None:
    """Of the region, of China's own domain, or of our own VPC; and whoever gives us the role."""
    issuer = AwsPcaIssuer("pca", AwsPcaSettings.model_validate(settings), clock_at(NOW), Drawer())

    assert issuer.peers == tuple(Endpoint(host, 443) for host in hosts)


@pytest.mark.parametrize(
    "change",
    [
        {"ca_arn": "my-ca"},
        {"ca_arn": ARN.replace("acm-pca", "acm")},
        {"ca_arn": ARN.replace("eu-west-1", "evil")},
        {"template_arn": "EndEntityCertificate/V1"},
        {"signing_algorithm": "sha256"},
        {"lifetime": "1s"},
        {"endpoint_url": "https://vpce-1.example.com:82000"},
    ],
)
def test_a_mistake_in_the_settings_is_refused(change: dict[str, str]) -> None:
    """The region becomes a part of a host name, so it has to be one."""
    with pytest.raises(ValidationError):
        AwsPcaSettings.model_validate({"ca_arn": ARN, **change})


class TestClock:
    """Its answers tell the time."""

    @pytest.mark.parametrize("refused", [False, True], ids=["answered", "refused"])
    def test_a_clock_that_is_off_is_noticed(
        self, ca: Authority, server: AcmPca, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, refused: bool
    ) -> None:
        """The `Date` of an answer over verified TLS is heard, also where AWS refuses, as it does when we are off."""
        own = authority(tmp_path)
        monkeypatch.setenv("AWS_CA_BUNDLE", str(own.ca_file))
        watch = ClockWatch(real_clock())
        with AcmPca(ca, tls=own.issue("aws", LOOPBACK)) as spoken, listening(watch.heard):
            spoken.behind = timedelta(hours=3)
            if refused:
                spoken.refuse("DescribeCertificateAuthority", "InvalidSignatureException", "Signature not yet current")
            settings = AwsPcaSettings.model_validate({"ca_arn": spoken.arn, "endpoint_url": spoken.url})
            issuer = AwsPcaIssuer("pca", settings, clock_at(NOW), Drawer())
            issuer.preflight(PreflightRequest(("a.example.com",)))
        (reading,) = watch.readings([str(peer) for peer in issuer.peers])
        assert reading.peer == f"{LOOPBACK}:{spoken.port}"
        assert abs(reading.ahead - timedelta(hours=3)) <= reading.within < timedelta(seconds=30)

    def test_plain_http_tells_nothing(self, make: MakeIssuer, server: AcmPca) -> None:
        """Anybody on the way could have written that date."""
        watch = ClockWatch(real_clock())
        server.behind = timedelta(hours=3)
        with listening(watch.heard):
            make().preflight(PreflightRequest(("a.example.com",)))
        assert watch.readings([]) == ()
