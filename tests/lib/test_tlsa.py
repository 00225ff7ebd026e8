"""TLSA records, asked of a real BIND."""

from __future__ import annotations

from pathlib import Path

from rotator.core.model import TlsaRecord, TlsaSet
from rotator.lib.dns.lookups import Lookups
from tests.servers.bind import BROKEN, start_bind

KEY = "ab" * 32


def test_records_are_read_as_they_are_published(tmp_path: Path) -> None:
    """Shows several records at a name, an alias, a name without any, and a zone that answers with an error."""
    zone = f"_443._tcp.www TLSA 3 1 1 {KEY}\n_443._tcp.www TLSA 2 0 2 {'cd' * 64}\n_25._tcp.mx CNAME _443._tcp.www\n"
    with start_bind(tmp_path, {"shop.test": zone, "broken.test": BROKEN}, resolver=True) as bind:
        ask = Lookups([bind.server]).tlsa_of
        both = (TlsaRecord(2, 0, 2, "cd" * 64), TlsaRecord(3, 1, 1, KEY))
        assert ask("_443._tcp.www.shop.test") == TlsaSet("_443._tcp.www.shop.test", both)
        assert ask("_25._tcp.mx.shop.test").records == both
        assert ask("_443._tcp.none.shop.test") == TlsaSet("_443._tcp.none.shop.test")
        assert "SERVFAIL" in ask("_443._tcp.www.broken.test").problem
        assert ask("not..a name").problem != ""
