"""Looking at TLS endpoints: what is served, and whether a client would be content with it.

The only async code of rotator; behind functions that work from any thread.
"""

from rotator.lib.tls.client import ClientCertificate, ClientCertificateUnfit
from rotator.lib.tls.order import WorkerEnded
from rotator.lib.tls.prober import probe
from rotator.lib.tls.verified import verified_handshake

__all__ = ["ClientCertificate", "ClientCertificateUnfit", "WorkerEnded", "probe", "verified_handshake"]
