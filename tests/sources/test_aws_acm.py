"""The source `aws_acm`: the real boto3 client against recorded answers of ACM on loopback."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from rotator.core.model import Bundle, Consumer, Location, Observation, ProblemKind, Use
from rotator.errors import SourceError
from rotator.lib.aws import AwsSettings, signed_identity
from rotator.lib.clockwatch import ClockWatch
from rotator.lib.http import listening
from rotator.sources.aws_acm import AwsAcmSettings, AwsAcmSource, settings_from_word
from tests.issuers.asking import real_clock
from tests.pki import Authority
from tests.servers.acm import ACCOUNT, Acm
from tests.servers.certificates import Pair, authority
from tests.servers.loopback import LoopbackServer, Request, Response
from tests.servers.ports import LOOPBACK, free_port

NOW = datetime.now(UTC).replace(microsecond=0)
DAY = timedelta(days=1)
LB = f"arn:aws:elasticloadbalancing:eu-west-1:{ACCOUNT}:loadbalancer/app/shop/50dc6c495c0c9188"
CDN = f"arn:aws:cloudfront::{ACCOUNT}:distribution/E2QWRUHAPOMQZL"

Look = Callable[..., AwsAcmSource]


@pytest.fixture
def acm(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Acm]:
    """ACM on loopback, and an environment with credentials for it and nothing of the machine's own."""
    for name in ("AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {
        "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMIexample",
        "AWS_CONFIG_FILE": str(tmp_path / "config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials"),
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)
    with Acm() as server:
        yield server


@pytest.fixture
def source(acm: Acm) -> Look:
    """Build the source on it."""

    def built(**settings: object) -> AwsAcmSource:
        given = {"regions": ["eu-west-1"], "endpoint_url": acm.url, "timeout": "5s", **settings}
        return AwsAcmSource("aws", AwsAcmSettings.model_validate(given), real_clock())

    return built


@pytest.fixture(scope="module")
def ca() -> Authority:
    """An intermediate below a root."""
    root = Authority("Root", not_before=NOW - 99 * DAY, not_after=NOW + 900 * DAY)
    return Authority("Issuing", not_before=NOW - 99 * DAY, not_after=NOW + 400 * DAY, parent=root)


def bundle_of(ca: Authority, name: str = "shop.example.com", key: str = "rsa-2048", days: int = 60) -> Bundle:
    """A certificate that ends after so many days."""
    return ca.issue([name], not_before=NOW - 30 * DAY, not_after=NOW + days * DAY, key=key)


def partial_look(source: AwsAcmSource) -> tuple[list[Observation], str]:
    """What was told before the look failed, and how it failed."""
    found: list[Observation] = []
    with pytest.raises(SourceError) as failed:
        for each in source.observe():
            found.append(each)
    return found, str(failed.value)


class TestCertificates:
    """What is told of each."""

    def test_an_imported_one_with_everything_that_is_known_of_it(self, acm: Acm, source: Look, ca: Authority) -> None:
        """The place is its ARN; nobody renews it, what it is attached to is told, and it is never adopted."""
        bundle = bundle_of(ca, days=-3)
        arn = acm.put(bundle, "shop.example.com", Status="EXPIRED", InUseBy=[LB, CDN])

        (found,) = source().observe()

        assert found.location == Location(f"aws:{ACCOUNT}", arn)
        assert found.chain == bundle.chain
        assert found.key is None
        assert found.owner is None
        assert found.use is Use.SERVE
        assert "cannot write to ACM" in found.never_adopt
        assert found.consumers == (
            Consumer("elasticloadbalancing", "loadbalancer/app/shop/50dc6c495c0c9188"),
            Consumer("cloudfront", "distribution/E2QWRUHAPOMQZL"),
        )
        assert dict(found.labels) == {
            "region": "eu-west-1",
            "name": "shop.example.com",
            "domain": "shop.example.com",
            "type": "IMPORTED",
            "status": "EXPIRED",
            "renewal": "INELIGIBLE",
            "in_use": "true",
            "issuer": "Issuing",
        }

    def test_every_page_and_every_kind_of_key_is_read(self, acm: Acm, source: Look, ca: Authority) -> None:
        """Unasked, ACM lists RSA certificates alone, and none that came by ACME: all of them are asked for."""
        bundles = {
            f"{n}.example.com": bundle_of(ca, f"{n}.example.com", "ecdsa-256" if n % 2 else "rsa-2048")
            for n in range(5)
        }
        for name, bundle in bundles.items():
            acm.put(bundle, name)
        acm.put(bundle_of(ca, "acme.example.com"), "acme.example.com", CertificateKeyPairOrigin="ACME")

        found = [each.labels["name"] for each in source().observe()]

        assert found == [*bundles, "acme.example.com"]
        assert acm.calls == {"ListCertificates": 3, "DescribeCertificate": 6, "GetCertificate": 6}

    def test_every_region_is_read(self, acm: Acm, source: Look, ca: Authority) -> None:
        """Each region is asked for its own, each once."""
        for region in ("eu-west-1", "us-east-1", "ap-south-1"):
            acm.put(bundle_of(ca), "shop.example.com", region=region)

        found = source(regions=["us-east-1", "eu-west-1", "us-east-1"]).observe()

        assert [each.labels["region"] for each in found] == ["us-east-1", "eu-west-1"]

    def test_the_region_of_the_environment_is_the_default(
        self, acm: Acm, source: Look, ca: Authority, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As for every AWS tool; where none is known, the message says what to set."""
        acm.put(bundle_of(ca), "shop.example.com", region="eu-north-1")

        nothing, said = partial_look(source(regions=[]))
        monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-north-1")
        (found,) = source(regions=[]).observe()

        assert nothing == []
        assert said == "source aws: no region is known; name it in `regions`, or set AWS_REGION"
        assert found.labels["region"] == "eu-north-1"

    def test_what_acm_renews_by_itself_is_its_own(self, acm: Acm, source: Look, ca: Authority) -> None:
        """Only what it has issued and what is eligible: what is not in use ends without a renewal."""
        renewed = acm.put(
            bundle_of(ca), "shop.example.com", Type="AMAZON_ISSUED", RenewalEligibility="ELIGIBLE", InUseBy=[LB]
        )
        acm.put(bundle_of(ca), "idle.example.com", Type="AMAZON_ISSUED", RenewalEligibility="INELIGIBLE")

        shop, idle = source().observe()

        assert shop.owner is not None
        assert shop.owner.kind == "aws-acm"
        assert shop.owner.name == f"ACM eu-west-1 {renewed.rpartition('/')[2]}"
        assert shop.owner.remedy.startswith("nothing: ACM renews it by itself")
        assert idle.owner is None
        assert idle.labels["in_use"] == "false"

    def test_a_renewal_that_waits_for_people_says_for_what(self, acm: Acm, source: Look, ca: Authority) -> None:
        """The DNS record to add, the mail to answer, or that it failed for good: once for each name that waits."""
        record = {"Name": "_x1.shop.example.com.", "Type": "CNAME", "Value": "_y2.acm-validations.aws."}
        waiting = {"DomainName": "shop.example.com", "ValidationStatus": "PENDING_VALIDATION"}
        done = {"DomainName": "www.example.com", "ValidationStatus": "SUCCESS", "ResourceRecord": {"Name": "no"}}
        by_dns = {"RenewalStatus": "PENDING_VALIDATION"} | {
            "DomainValidationOptions": [done, {**waiting, "ResourceRecord": record}]
        }
        by_mail = {"RenewalStatus": "PENDING_VALIDATION", "DomainValidationOptions": [waiting]}
        never = {"RenewalStatus": "FAILED", "RenewalStatusReason": "CAA_ERROR", "DomainValidationOptions": []}
        for state in (by_dns, by_mail, never):
            said: dict[str, Any] = {"RenewalEligibility": "ELIGIBLE", "RenewalSummary": state}
            acm.put(bundle_of(ca), "shop.example.com", Type="AMAZON_ISSUED", **said)

        dns, mail, failed = (each.owner.remedy for each in source().observe() if each.owner)

        assert dns == "ACM waits for DNS: add _x1.shop.example.com. CNAME _y2.acm-validations.aws."
        assert "answer its mail about shop.example.com: aws acm resend-validation-email --region eu-west-1" in mail
        assert failed == "ACM could not renew it (CAA_ERROR): request a new certificate and attach that"

    def test_one_that_is_not_issued_yet_is_an_empty_place(self, acm: Acm, source: Look) -> None:
        """What waits for its first validation has no chain and no problem, and says what it waits for."""
        record = {"Name": "_a.new.example.com.", "Type": "CNAME", "Value": "_b.acm-validations.aws."}
        options = [
            {"DomainName": "new.example.com", "ValidationStatus": "PENDING_VALIDATION", "ResourceRecord": record}
        ]
        status = "PENDING_VALIDATION"
        acm.put(None, "new.example.com", Status=status, Type="AMAZON_ISSUED", DomainValidationOptions=options)
        acm.put(None, "racing.example.com", Type="AMAZON_ISSUED")  # issued by now, and the body not there yet

        new, racing = source().observe()

        assert (new.chain, new.problem, racing.chain, racing.problem) == (None, None, None, None)
        assert new.owner is not None
        assert new.owner.remedy == "ACM waits for DNS: add _a.new.example.com. CNAME _b.acm-validations.aws."
        assert new.labels["status"] == "PENDING_VALIDATION"

    def test_one_that_never_will_be_is_a_problem(self, acm: Acm, source: Look, ca: Authority) -> None:
        """A request that failed, a body that is no certificate, and one that ACM will not give away hide no other."""
        acm.put(None, "no.example.com", Status="FAILED", FailureReason="CAA_ERROR", Type="AMAZON_ISSUED")
        acm.put(bundle_of(ca), "odd.example.com", Body="hello")
        odd = acm.put(bundle_of(ca), "other.example.com")
        acm.refuse("GetCertificate", "ValidationException", "not now", arn=odd)
        acm.put(bundle_of(ca), "good.example.com")

        failed, broken, refused, good = source().observe()

        assert failed.problem is not None
        assert failed.problem.kind is ProblemKind.UNREADABLE
        assert failed.problem.message.endswith(": ACM has not issued it: CAA_ERROR; request it anew")
        assert broken.problem is not None
        assert broken.problem.message.endswith(": no CERTIFICATE block in 5 bytes")
        assert refused.problem is not None
        assert "AWS refuses GetCertificate: not now" in refused.problem.message
        assert good.chain is not None

    def test_one_that_went_away_meanwhile_is_not_there(self, acm: Acm, source: Look, ca: Authority) -> None:
        """It was listed and then deleted: no problem, and a complete look."""
        gone = acm.put(bundle_of(ca), "gone.example.com")
        acm.put(bundle_of(ca), "here.example.com")
        acm.refuse("DescribeCertificate", "ResourceNotFoundException", arn=gone)

        assert [each.labels["name"] for each in source().observe()] == ["here.example.com"]


class TestRefusals:
    """What AWS does not let us see, and when it cannot be asked."""

    def test_throttling_is_waited_for(self, acm: Acm, source: Look, ca: Authority) -> None:
        """A busy account slows the look down and fails nothing."""
        acm.put(bundle_of(ca), "shop.example.com")
        acm.refuse("ListCertificates", "ThrottlingException", "Rate exceeded", times=1)
        acm.refuse("GetCertificate", "ThrottlingException", "Rate exceeded", times=1)

        (found,) = source().observe()

        assert found.chain is not None
        assert (acm.calls["ListCertificates"], acm.calls["GetCertificate"]) == (2, 2)

    def test_a_region_that_may_not_be_listed_hides_no_other(self, acm: Acm, source: Look, ca: Authority) -> None:
        """AWS's own words name who may not do what; the other regions are read."""
        acm.put(bundle_of(ca), "shop.example.com", region="us-east-1")
        acm.refuse("ListCertificates", "AccessDeniedException", "User: x is not authorized", times=1)

        found, said = partial_look(source(regions=["eu-west-1", "us-east-1"]))

        assert [each.labels["region"] for each in found] == ["us-east-1"]
        assert said == (
            "source aws: acm in eu-west-1: AWS denies ListCertificates: User: x is not authorized; "
            "allow it in our policy"
        )

    def test_certificates_that_may_not_be_read_are_named(self, acm: Acm, source: Look, ca: Authority) -> None:
        """A policy may go by tags: those that it hides are named by ARN, in one sentence, and the rest is read."""
        hidden = [acm.put(bundle_of(ca), f"{n}.example.com") for n in range(2)]
        acm.put(bundle_of(ca), "shop.example.com")
        for arn in hidden:
            acm.deny("GetCertificate", arn=arn)

        found, said = partial_look(source())

        assert [each.labels["name"] for each in found] == ["shop.example.com"]
        assert said.startswith("source aws: acm in eu-west-1: AWS denies GetCertificate: User: ")
        assert "not authorized to perform: acm:GetCertificate on resource: … because" in said
        assert said.endswith(f"allow it in our policy: {', '.join(hidden)}")

    @pytest.mark.parametrize("code", ["UnrecognizedClientException", "ExpiredTokenException"])
    def test_credentials_that_aws_does_not_know(self, acm: Acm, source: Look, code: str) -> None:
        """They ended, or the region is not enabled: the person reads both."""
        acm.refuse("ListCertificates", code, "The security token included in the request is invalid.")

        found, said = partial_look(source())

        assert found == []
        assert said == (
            "source aws: acm in eu-west-1: AWS does not know us: The security token included in the request is "
            "invalid.; renew our credentials, or enable the region for the account"
        )

    def test_no_credentials_is_one_sentence(self, acm: Acm, source: Look, monkeypatch: pytest.MonkeyPatch) -> None:
        """Said once, not for each region, and nothing is sent."""
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")

        _, said = partial_look(source(regions=["eu-west-1", "us-east-1"]))

        assert said == (
            "source aws: there are no credentials for AWS; set AWS_PROFILE, or give the pod or machine a role"
        )
        assert not acm.calls

    def test_a_profile_that_is_not_there(self, source: Look) -> None:
        """Its name is said."""
        _, said = partial_look(source(profile="nobody"))

        assert said.startswith("source aws: there is no such profile of AWS: ")
        assert "nobody" in said

    def test_an_endpoint_that_is_down_or_slow(self, acm: Acm, source: Look) -> None:
        """The host is named, with what to check."""
        _, down = partial_look(source(endpoint_url=f"http://{LOOPBACK}:{free_port()}", timeout="1s"))

        assert down == ("source aws: acm in eu-west-1: 127.0.0.1 cannot be reached; check the region and the way there")

    def test_a_role_is_taken_on_first(
        self, acm: Acm, source: Look, ca: Authority, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """ACM is asked with the credentials of the role; where it may not be taken on, that is said."""
        acm.put(bundle_of(ca), "shop.example.com")
        role = f"arn:aws:iam::{ACCOUNT}:role/audit"

        with _Sts() as sts:
            monkeypatch.setenv("AWS_ENDPOINT_URL_STS", sts.url)
            (found,) = source(role_arn=role).observe()
            sts.denies = True
            _, said = partial_look(source(role_arn=role))

        assert found.chain is not None
        assert b"RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Faudit" in sts.asked[0]
        assert said.startswith("source aws: acm in eu-west-1: AWS denies AssumeRole: you may not; ")

    def test_who_gives_a_role_tells_the_time(self, acm: Acm, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        """A login that AWS vouches for (Vault's) asks STS for the role: its clock is heard like everybody's."""
        own, watch = authority(tmp_path), ClockWatch(real_clock())
        monkeypatch.setenv("AWS_CA_BUNDLE", str(own.ca_file))
        settings = AwsSettings(role_arn=f"arn:aws:iam::{ACCOUNT}:role/audit")
        with _Sts(tls=own.issue("sts", LOOPBACK), behind=timedelta(hours=3)) as sts, listening(watch.heard):
            monkeypatch.setenv("AWS_ENDPOINT_URL_STS", sts.url)
            signed_identity(settings, "eu-west-1", {})
        (reading,) = watch.readings([])
        assert reading.peer == f"{LOOPBACK}:{sts.port}"
        assert abs(reading.ahead - timedelta(hours=3)) <= reading.within < timedelta(seconds=30)

    def test_without_the_extra_it_says_what_to_install(self, source: Look, monkeypatch: pytest.MonkeyPatch) -> None:
        """The kind is known without boto3, so the message comes when it is used."""
        for module in ("boto3", "botocore", "botocore.exceptions"):
            monkeypatch.setitem(sys.modules, module, None)

        _, said = partial_look(source())

        assert said == "source aws: boto3 is not installed; install rotator[aws]"

    def test_no_secret_is_anywhere(self, acm: Acm, source: Look, ca: Authority) -> None:
        """Neither what is told nor what is said shows our secret key."""
        acm.put(bundle_of(ca), "shop.example.com")
        acm.refuse("ListCertificates", "AccessDeniedException", times=1)

        found, said = partial_look(source(regions=["us-east-1", "eu-west-1"]))

        assert len(found) == 1
        assert "wJalr" not in repr(found)
        assert "wJalr" not in said + repr(vars(source()))


class _Sts(LoopbackServer):
    """AssumeRole, which AWS answers in XML."""

    def __init__(self, *, tls: Pair | None = None, behind: timedelta = timedelta(0)) -> None:
        super().__init__(tls=tls)
        self.behind = behind
        self.asked: list[bytes] = []
        self.denies = False

    def respond(self, request: Request) -> Response:
        """Give credentials, or refuse."""
        self.asked.append(request.body)
        space = 'xmlns="https://sts.amazonaws.com/doc/2011-06-15/"'
        if self.denies:
            error = "<Error><Type>Sender</Type><Code>AccessDenied</Code><Message>you may not</Message></Error>"
            return Response(403, body=f"<ErrorResponse {space}>{error}</ErrorResponse>".encode())
        given = (
            "<AccessKeyId>ASIAROLE</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>"
            "<Expiration>2099-01-01T00:00:00Z</Expiration>"
        )
        result = f"<AssumeRoleResult><Credentials>{given}</Credentials></AssumeRoleResult>"
        date = {"Date": format_datetime(datetime.now(UTC) - self.behind, usegmt=True)}
        return Response(headers=date, body=f"<AssumeRoleResponse {space}>{result}</AssumeRoleResponse>".encode())


class TestWord:
    """`acm://…` on a command line, and what a config may say."""

    @pytest.mark.parametrize(
        ("word", "environment", "regions"),
        [
            ("acm://eu-west-1", {"AWS_REGION": "us-east-1"}, ("eu-west-1",)),
            ("acm://eu-west-1,us-east-1", {}, ("eu-west-1", "us-east-1")),
            ("acm://", {"AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "eu-west-1"}, ("us-east-1",)),
            ("acm://us-gov-west-1/", {}, ("us-gov-west-1",)),
            ("acm://", {}, ()),
        ],
    )
    def test_a_word_and_an_environment_are_settings(
        self, word: str, environment: dict[str, str], regions: tuple[str, ...]
    ) -> None:
        """The region comes from the word, else from where every AWS tool has it."""
        assert settings_from_word(word, environment).regions == regions

    @pytest.mark.parametrize("word", ["acm://nowhere", "acm://eu-west-1.example.com", "acm://a/b", "vault://x"])
    def test_a_wrong_word_is_one_sentence(self, word: str) -> None:
        """A region becomes part of a host name, so nothing else passes for one."""
        with pytest.raises(ValueError, match=r"is no (region of AWS|ACM); write it like") as wrong:
            settings_from_word(word, {})
        assert "\n" not in str(wrong.value)

    @pytest.mark.parametrize(
        "settings",
        [{"regions": ["../x"]}, {"role_arn": "audit"}, {"endpoint_url": "ftp://x"}, {"endpoint_url": "https://u:p@x"}],
    )
    def test_settings_that_make_no_sense_are_mistakes(self, settings: dict[str, object]) -> None:
        """Told when the config is read, not at the first look."""
        with pytest.raises(ValidationError, match="write it like"):
            AwsAcmSettings.model_validate(settings)
