"""AWS: who we are to it, its clients, and what its refusals mean. For every plugin that talks to it.

Credentials come from where every AWS tool has them: the environment, a profile, the role of a pod or machine.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from rotator.core.model import Endpoint
from rotator.lib.http import tell_date
from rotator.lib.peers import https_peers
from rotator.settings import Duration, PluginSettings, SecretRef, server_url

_REGION = re.compile(r"[a-z]{2,}(-[a-z]+)+-\d+")
_ROLE = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]+")
_TRIES = 8
"""Of one request, with growing pauses (botocore's mode `standard`); ACM allows about ten requests a second."""

_BEGUN = "rotator.begun"
_GLOBAL_STS_REGION = "us-east-1"
_IDENTITY = "Action=GetCallerIdentity&Version=2011-06-15"

_DENIED = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "NotAuthorized"}
_UNKNOWN_TO_AWS = {
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
}
_THROTTLED = {"Throttling", "ThrottlingException", "TooManyRequestsException", "RequestLimitExceeded"}


class AwsError(Exception):
    """AWS refused or could not be reached; the message is one clause for people.

    Attributes:
        code: AWS's own word for it; empty when there was no answer.
        denied: our policy does not allow this; other things may still be allowed.
        outage: AWS was not reached, is in trouble itself, or does not know us now: what was asked for before stands.
    """

    def __init__(self, message: str, *, code: str = "", denied: bool = False, outage: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.denied = denied
        self.outage = outage


def region_name(value: str) -> str:
    """A region as the operator writes it.

    Raises:
        ValueError: it is no name of a region; it becomes part of a host name.
    """
    if not _REGION.fullmatch(value):
        raise ValueError(f"{value!r} is no region of AWS; write it like eu-west-1")
    return value


class AwsSettings(PluginSettings):
    """Who we are to AWS, where the environment does not say it.

    Attributes:
        profile: a profile of ~/.aws/config; without it whatever the environment, the pod or the machine gives.
        role_arn: a role to take on first, as for another account.
        endpoint_url: another address of the API, as of an interface endpoint in a VPC without private DNS.
        timeout: for one answer; a request is tried several times.
    """

    profile: str = ""
    role_arn: str = ""
    endpoint_url: str = ""
    timeout: Duration = Field(default=timedelta(seconds=30), gt=timedelta(0))

    @field_validator("role_arn")
    @classmethod
    def _is_a_role(cls, value: str) -> str:
        if value and not _ROLE.fullmatch(value):
            raise ValueError(f"{value!r} is no role; write it like arn:aws:iam::123456789012:role/audit")
        return value

    @field_validator("endpoint_url")
    @classmethod
    def _is_a_url(cls, value: str) -> str:
        return server_url(value, "an API of AWS", "https://vpce-1.example.com") if value else value


def home_region(settings: AwsSettings) -> str:
    """The region that the profile or the environment names; empty where none does.

    Raises:
        AwsError: there is no such profile, or boto3 is not installed.
    """
    with translated("the configuration of AWS"):
        return _session(settings).region_name or ""


def api_peers(settings: AwsSettings, service: str, regions: Iterable[str]) -> tuple[Endpoint, ...]:
    """The TLS servers behind a service's API, and behind STS where a role is taken on; nobody is asked."""
    urls: list[str | SecretRef | None] = []
    for region in regions:
        urls.append(settings.endpoint_url or f"https://{service}.{region}.{domain(region)}")
        urls.append(f"https://sts.{region}.{domain(region)}" if settings.role_arn else None)
    return https_peers(urls)


def domain(region: str) -> str:
    """Below which the APIs of a region are."""
    return "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"


@contextmanager
def client(settings: AwsSettings, service: str, region: str) -> Iterator[Any]:
    """A client of boto3 for one service in one region; safe to use from several threads, closed at the end.

    Raises:
        AwsError: there are no credentials, or the role cannot be taken on; boto3 is not installed.
    """
    with translated(f"{service} in {region}"):
        session = _session(settings)
        if settings.role_arn:
            session = _as_role(session, settings, region)
        made = session.client(service, region, endpoint_url=settings.endpoint_url or None, config=_config(settings))
        _tell_dates(made)
    with closing(made):
        yield made


def _session(settings: AwsSettings) -> Any:
    try:
        import boto3  # an extra, and slow to load
    except ImportError as error:
        raise AwsError("boto3 is not installed; install rotator[aws]") from error
    return boto3.Session(profile_name=settings.profile or None)


def _as_role(session: Any, settings: AwsSettings, region: str) -> Any:
    """The same, as the role; its credentials last for an hour, longer than a look."""
    import boto3

    with closing(session.client("sts", region, config=_config(settings))) as sts:
        _tell_dates(sts)
        given = sts.assume_role(RoleArn=settings.role_arn, RoleSessionName="rotator")["Credentials"]
    return boto3.Session(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])


def _tell_dates(made: Any) -> None:
    """Have the listeners of `rotator.lib.http` told of the `Date` of each answer, of a refusal and each try as well.

    botocore verifies TLS, and gives both ends of one try the same context; it calls them in the thread that asks.
    """

    def begun(request: Any, **_: Any) -> None:
        request.context[_BEGUN] = (request.url, time.monotonic())

    def answered(response_dict: Mapping[str, Any] | None, context: Mapping[str, Any], **_: Any) -> None:
        if response_dict is not None and _BEGUN in context:
            url, began = context[_BEGUN]
            tell_date(url, response_dict["headers"], time.monotonic() - began)

    made.meta.events.register("request-created", begun)
    made.meta.events.register("response-received", answered)


def _config(settings: AwsSettings) -> Any:
    from botocore.config import Config

    seconds = settings.timeout.total_seconds()
    return Config(
        connect_timeout=min(seconds, 10.0),
        read_timeout=seconds,
        retries={"mode": "standard", "total_max_attempts": _TRIES},
        user_agent_appid="rotator",
    )


# ---------------------------------------------------------------- what went wrong


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Say what botocore raises as an `AwsError`; `what` is what was asked, for what has no better name."""
    try:
        from botocore.exceptions import BotoCoreError, ClientError
        from botocore.parsers import ResponseParserError
    except ImportError as error:
        raise AwsError("boto3 is not installed; install rotator[aws]") from error
    try:
        yield
    except ClientError as error:
        raise _refusal(error, what) from error
    except BotoCoreError as error:
        raise AwsError(_failure(error, what), outage=_is_outage(error)) from error
    except (ResponseParserError, UnicodeDecodeError) as error:  # somebody between us and AWS
        raise AwsError(f"{what}: what came back is no answer of AWS's; check the way there", outage=True) from error


def _refusal(error: Any, what: str) -> AwsError:
    """What an answer of AWS means."""
    code = str(error.response.get("Error", {}).get("Code", ""))
    said = " ".join(str(error.response.get("Error", {}).get("Message", "")).split()) or code
    action = error.operation_name
    if code in _DENIED:
        return AwsError(f"{what}: AWS denies {action}: {said}; allow it in our policy", code=code, denied=True)
    if code in _UNKNOWN_TO_AWS:
        hint = "renew our credentials, or enable the region for the account"
        return AwsError(f"{what}: AWS does not know us: {said}; {hint}", code=code, outage=True)
    if code in _THROTTLED:
        tries = f"{what}: AWS still finds {action} too frequent after {_TRIES} tries"
        return AwsError(tries, code=code, outage=True)
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    outage = status >= HTTPStatus.INTERNAL_SERVER_ERROR
    return AwsError(f"{what}: AWS refuses {action}: {said} ({code})", code=code, outage=outage)


def _failure(error: Exception, what: str) -> str:
    """Why there was no answer. The names of botocore's classes are stable, its texts are not all for people."""
    from botocore import exceptions

    if isinstance(error, exceptions.NoCredentialsError):
        return "there are no credentials for AWS; set AWS_PROFILE, or give the pod or machine a role"
    if isinstance(error, exceptions.ProfileNotFound):
        return f"there is no such profile of AWS: {error}"
    if isinstance(error, exceptions.CredentialRetrievalError | exceptions.SSOError):
        return f"the credentials for AWS cannot be had: {error}; log in again, as with `aws sso login`"
    if isinstance(error, exceptions.SSLError):
        return f"{what}: TLS with AWS failed: {error}"
    if isinstance(error, exceptions.HTTPClientError | exceptions.ConnectionError):
        if isinstance(error, exceptions.ReadTimeoutError | exceptions.ConnectTimeoutError):
            return f"{what}: {_host(error)} did not answer in time; check the way there"
        return f"{what}: {_host(error)} cannot be reached; check the region and the way there"
    return f"{what}: {' '.join(str(error).split())}"


def _is_outage(error: Exception) -> bool:
    """Whether there was no answer for a reason that has nothing to do with what was asked."""
    from botocore import exceptions

    unreached = exceptions.HTTPClientError | exceptions.ConnectionError
    unknown = exceptions.NoCredentialsError | exceptions.CredentialRetrievalError | exceptions.SSOError
    return isinstance(error, unreached | unknown)


def _host(error: Any) -> str:
    return urlsplit(str(error.kwargs.get("endpoint_url", ""))).hostname or "the API"


# ---------------------------------------------------------------- who we are, for others to ask


@dataclass(frozen=True, slots=True)
class SignedIdentity:
    """A request to STS that tells whoever sends it who signed it (`GetCallerIdentity`), good for fifteen minutes."""

    url: str
    body: str
    headers: Mapping[str, str] = field(repr=False)


def signed_identity(settings: AwsSettings, region: str, headers: Mapping[str, str]) -> SignedIdentity:
    """Sign `sts:GetCallerIdentity` (AWS Signature Version 4) without sending it; `headers` are signed along.

    Args:
        region: whose STS is meant; without one the global one, which signs for us-east-1.

    Raises:
        AwsError: there are no credentials, or the role cannot be taken on; boto3 is not installed.
    """
    signer = region or _GLOBAL_STS_REGION
    with translated("sts"):
        session = _session(settings)
        if settings.role_arn:
            session = _as_role(session, settings, signer)
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest

        credentials = session.get_credentials()
        url = settings.endpoint_url or _sts_url(region)
        given = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8", **headers}
        request = AWSRequest("POST", url, data=_IDENTITY, headers={**given, "Host": urlsplit(url).netloc})
        SigV4Auth(credentials and credentials.get_frozen_credentials(), "sts", signer).add_auth(request)
    return SignedIdentity(url, _IDENTITY, dict(request.headers.items()))


def _sts_url(region: str) -> str:
    return f"https://sts.{region}.{domain(region)}/" if region else "https://sts.amazonaws.com/"
