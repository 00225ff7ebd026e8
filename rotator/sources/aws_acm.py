"""Source `aws_acm`: the certificates of AWS Certificate Manager, in as many regions as are named.

ACM renews what it has issued itself, while that is in use and its names validate; what was imported nobody renews.
Only reads: `acm:ListCertificates`, `acm:DescribeCertificate`, `acm:GetCertificate`. ACM gives no key away.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType
from typing import Any, ClassVar

from pydantic import Field, ValidationError, field_validator

from rotator.core.adoptable import issuer_name
from rotator.core.model import Chain, Consumer, Endpoint, Location, Observation, Owner, Problem, ProblemKind, Use
from rotator.core.pem import PemError, read_certificates
from rotator.core.usages import use_of
from rotator.errors import SourceError
from rotator.lib.ahead import ahead
from rotator.lib.aws import AwsError, AwsSettings, api_peers, client, home_region, region_name, translated
from rotator.ports import Clock
from rotator.settings import PluginSettings

NEVER_ADOPT = "rotator cannot write to ACM; it can only tell"

_AT_ONCE = 4  # ACM allows about ten requests a second; more would only be throttled
_MOST_TOLD = 5
_NO_BODY = {"PENDING_VALIDATION", "FAILED", "VALIDATION_TIMED_OUT"}
_GONE = "ResourceNotFoundException"
_NOT_YET = "RequestInProgressException"
_ODD = {"ValidationException", "InvalidArnException"}  # said of one certificate; the others can still be had
_WORD = "acm://"

Detail = Mapping[str, Any]


class AwsAcmSettings(AwsSettings):
    """Which regions to look at."""

    regions: tuple[str, ...] = Field(
        default=(),
        description="Regions; without it that of the profile or of AWS_REGION. CloudFront's certificates are in "
        "us-east-1.",
    )

    @field_validator("regions")
    @classmethod
    def _are_regions(cls, regions: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(region_name(region) for region in regions))


def settings_from_word(word: str, environment: Mapping[str, str]) -> AwsAcmSettings:
    """The settings for `acm://REGION` or `acm://REGION,REGION`; the rest is where every AWS tool has it.

    Without a region it is that of AWS_REGION, AWS_DEFAULT_REGION or the profile.

    Raises:
        ValueError: the word is no such address; in one sentence.
    """
    if not word.startswith(_WORD):
        raise ValueError(f"{word!r} is no ACM; write it like acm://eu-west-1")
    said = word.removeprefix(_WORD).strip("/")
    regions = said or environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION") or ""
    try:
        return AwsAcmSettings.model_validate({"regions": [each for each in regions.split(",") if each]})
    except ValidationError as error:
        raise ValueError(f"{word}: {error.errors()[0]['msg'].removeprefix('Value error, ')}") from error


class AwsAcmSource:
    """The certificates of ACM in one account."""

    Settings: ClassVar[type[PluginSettings]] = AwsAcmSettings

    def __init__(self, name: str, settings: PluginSettings, clock: Clock) -> None:
        assert isinstance(settings, AwsAcmSettings)
        self.name = name
        self._settings = settings

    def observe(self) -> Iterator[Observation]:
        """Look at every certificate once, region by region; what one region hides is raised after the others.

        Raises:
            SourceError: AWS cannot be asked, or some of it may not be; the message names it.
        """
        unseen = _Unseen()
        for region in self._regions():
            try:
                with client(self._settings, "acm", region) as acm:
                    yield from _Region(region, acm, unseen).observe()
            except AwsError as error:
                unseen.said.append(str(error))
        if unseen:
            raise SourceError(f"source {self.name}: {unseen}")

    @property
    def peers(self) -> tuple[Endpoint, ...]:
        """The API of each region."""
        try:
            return api_peers(self._settings, "acm", self._regions())
        except SourceError:
            return ()

    def _regions(self) -> tuple[str, ...]:
        if self._settings.regions:
            return self._settings.regions
        try:
            region = home_region(self._settings)
        except AwsError as error:
            raise SourceError(f"source {self.name}: {error}") from error
        if not region:
            raise SourceError(f"source {self.name}: no region is known; name it in `regions`, or set AWS_REGION")
        return (region,)


@dataclass(slots=True)
class _Unseen:
    """What a look has missed: sentences, and certificates that our policy keeps from us by what was said of them."""

    said: list[str] = field(default_factory=list)
    denied: dict[str, list[str]] = field(default_factory=dict)

    def deny(self, error: AwsError, arn: str) -> None:
        """Note one certificate; what is said names the action and the certificate, so the first one stands for all."""
        self.denied.setdefault(str(error).replace(arn, "…"), []).append(arn)

    def __bool__(self) -> bool:
        return bool(self.said or self.denied)

    def __str__(self) -> str:
        return "; ".join((*dict.fromkeys(self.said), *(self._closed(*each) for each in self.denied.items())))

    def _closed(self, said: str, arns: list[str]) -> str:
        more = f" (and {len(arns) - _MOST_TOLD} more)" if len(arns) > _MOST_TOLD else ""
        return f"{said}: {', '.join(arns[:_MOST_TOLD])}{more}"


@dataclass(frozen=True, slots=True)
class _Item:
    """What became of one certificate of a list; nothing where it was deleted meanwhile."""

    arn: str
    observation: Observation | None = None
    denied: AwsError | None = None


@dataclass(frozen=True, slots=True)
class _Region:
    """ACM in one region."""

    name: str
    acm: Any
    unseen: _Unseen

    def observe(self) -> Iterator[Observation]:
        """Every certificate.

        Raises:
            AwsError: it cannot be asked any further.
        """
        for item in ahead(partial(_looked_at, self), self._arns(), at_once=_AT_ONCE):
            if item.denied is not None:
                self.unseen.deny(item.denied, item.arn)
            if item.observation is not None:
                yield item.observation

    def _arns(self) -> Iterator[str]:
        """Of every key type and origin: without being asked, ACM lists RSA certificates alone, and none of ACME's."""
        model = self.acm.meta.service_model
        asked: dict[str, Any] = {"Includes": {"keyTypes": model.shape_for("KeyAlgorithm").enum}}
        origins = model.shape_for("ListCertificatesRequest").members.get("CertificateKeyPairOrigins")
        if origins is not None:
            asked["CertificateKeyPairOrigins"] = origins.member.enum
        with self.asking():
            for page in self.acm.get_paginator("list_certificates").paginate(**asked):
                for summary in page.get("CertificateSummaryList", ()):
                    yield summary["CertificateArn"]

    def asking(self) -> Any:
        """Around each call: what it raises becomes an `AwsError` with the region in it."""
        return translated(f"acm in {self.name}")


def _looked_at(region: _Region, arn: str) -> _Item:
    try:
        with region.asking():
            detail = region.acm.describe_certificate(CertificateArn=arn)["Certificate"]
        return _Item(arn, _observation(region, arn, detail, *_body(region, arn, detail)))
    except AwsError as error:
        if error.denied:
            return _Item(arn, denied=error)
        if error.code == _GONE:
            return _Item(arn)
        raise


def _body(region: _Region, arn: str, detail: Detail) -> tuple[Chain | None, str]:
    """The chain, or why there will never be one; neither while ACM has not issued it yet."""
    status = detail.get("Status", "")
    if status in _NO_BODY:
        why = detail.get("FailureReason") or status
        return None, "" if status == "PENDING_VALIDATION" else f"ACM has not issued it: {why}; request it anew"
    try:
        with region.asking():
            found = region.acm.get_certificate(CertificateArn=arn)
    except AwsError as error:
        if error.code == _NOT_YET:
            return None, ""
        if error.code in _ODD:
            return None, str(error)
        raise
    try:
        own = read_certificates(found.get("Certificate", "").encode())
        above = found.get("CertificateChain", "").encode()
        return Chain((*own, *(read_certificates(above) if above.strip() else ()))), ""
    except PemError as error:
        return None, str(error)


def _observation(region: _Region, arn: str, detail: Detail, chain: Chain | None, problem: str) -> Observation:
    account = arn.split(":")[4]
    return Observation(
        location=Location(f"aws:{account}", arn),
        chain=chain,
        problem=Problem(ProblemKind.UNREADABLE, f"{arn}: {problem}") if problem else None,
        owner=_owner(region.name, arn, detail),
        labels=_labels(region.name, detail, chain),
        never_adopt=NEVER_ADOPT,
        use=use_of(chain.leaf) if chain else Use.SERVE,
        consumers=tuple(_consumer(each) for each in detail.get("InUseBy", ())),
    )


def _labels(region: str, detail: Detail, chain: Chain | None) -> Mapping[str, str]:
    labels = {
        "region": region,
        "name": detail.get("DomainName", ""),
        "domain": detail.get("DomainName", ""),
        "type": detail.get("Type", ""),
        "status": detail.get("Status", ""),
        "renewal": detail.get("RenewalEligibility", ""),
        "in_use": "true" if detail.get("InUseBy") else "false",
        "managed_by": detail.get("ManagedBy", ""),
        "issuer": issuer_name(chain.leaf) if chain else "",
    }
    return MappingProxyType({name: value for name, value in labels.items() if value})


def _consumer(arn: str) -> Consumer:
    """What a certificate is attached to: `elasticloadbalancing`, `cloudfront` …, and the resource's own name."""
    pieces = arn.split(":", 5)
    return Consumer(pieces[2], pieces[5]) if len(pieces) == 6 else Consumer("resource", arn)


# ---------------------------------------------------------------- who renews it


def _owner(region: str, arn: str, detail: Detail) -> Owner | None:
    """ACM, where it renews by itself: what it has issued, not what was imported or is not in use."""
    pending = detail.get("Status") == "PENDING_VALIDATION"
    if detail.get("Type") == "IMPORTED" or not (pending or detail.get("RenewalEligibility") == "ELIGIBLE"):
        return None
    return Owner("aws-acm", f"ACM {region} {arn.rpartition('/')[2]}", _remedy(region, arn, detail, pending=pending))


def _remedy(region: str, arn: str, detail: Detail, *, pending: bool) -> str:
    renewal = detail.get("RenewalSummary") or {}
    status = renewal.get("RenewalStatus")
    if status == "FAILED":
        why = renewal.get("RenewalStatusReason") or "it does not say why"
        return f"ACM could not renew it ({why}): request a new certificate and attach that"
    if not pending and status != "PENDING_VALIDATION":
        return "nothing: ACM renews it by itself while it is in use and its names still validate"
    waiting = [each for each in _validations(detail, renewal) if each.get("ValidationStatus") != "SUCCESS"]
    records = dict.fromkeys(_record(each) for each in waiting if each.get("ResourceRecord"))
    if records:
        return f"ACM waits for DNS: add {', '.join(records)}"
    domains = ", ".join(dict.fromkeys(each.get("DomainName", "") for each in waiting)) or detail.get("DomainName", "")
    command = f"aws acm resend-validation-email --region {region} --certificate-arn {arn}"
    return f"ACM waits for somebody to answer its mail about {domains}: {command} --domain … --validation-domain …"


def _validations(detail: Detail, renewal: Detail) -> list[Detail]:
    return list(renewal.get("DomainValidationOptions") or detail.get("DomainValidationOptions") or ())


def _record(validation: Detail) -> str:
    record = validation["ResourceRecord"]
    return f"{record.get('Name', '')} {record.get('Type', '')} {record.get('Value', '')}"
