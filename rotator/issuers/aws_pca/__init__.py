"""AWS Private CA: a request is ordered, and the certificate fetched a few seconds later.

The ARN of the certificate is the checkpoint, and the order carries a token that is made from the request: a crash
between the two orders nothing twice. Only `acm-pca` is spoken to; ACM itself is not involved.
"""

from rotator.issuers.aws_pca.issuer import AwsPcaIssuer
from rotator.issuers.aws_pca.settings import AwsPcaSettings

__all__ = ["AwsPcaIssuer", "AwsPcaSettings"]
