"""What the operator writes for the issuer `aws_pca`."""

from __future__ import annotations

import re
from datetime import timedelta

from pydantic import Field, field_validator

from rotator.lib.aws import AwsSettings, region_name
from rotator.settings import Duration

_CA = re.compile(r"arn:aws[a-z-]*:acm-pca:([a-z0-9-]+):\d{12}:certificate-authority/[0-9a-f-]{36}")
_TEMPLATE = re.compile(r"arn:aws[a-z-]*:acm-pca:::template/[\w/]+")


class AwsPcaSettings(AwsSettings):
    """Which CA signs.

    Attributes:
        ca_arn: the CA, as `aws acm-pca list-certificate-authorities` shows it; its region is in it.
        template_arn: another template than AWS's `EndEntityCertificate/V1`; it has to take the names from the request.
        signing_algorithm: as `SHA256WITHECDSA`; without it the one that goes with the CA's key.
        lifetime: of each certificate, unless the certificate's own config says otherwise; without both ninety days, of
            a CA for short-lived certificates six.
    """

    ca_arn: str
    template_arn: str = ""
    signing_algorithm: str = Field(default="", pattern=r"^([A-Z0-9_]+)?$")
    lifetime: Duration | None = Field(default=None, ge=timedelta(minutes=1))

    @field_validator("ca_arn")
    @classmethod
    def _is_a_ca(cls, value: str) -> str:
        found = _CA.fullmatch(value)
        if found is None:
            raise ValueError(f"{value!r} is no CA; write it like arn:aws:acm-pca:eu-west-1:123456789012:certificate-…")
        region_name(found[1])
        return value

    @field_validator("template_arn")
    @classmethod
    def _is_a_template(cls, value: str) -> str:
        if value and not _TEMPLATE.fullmatch(value):
            raise ValueError(
                f"{value!r} is no template; write it like arn:aws:acm-pca:::template/EndEntityCertificate/V1"
            )
        return value

    @property
    def region(self) -> str:
        """The region that the CA lives in."""
        return self.ca_arn.split(":")[3]
