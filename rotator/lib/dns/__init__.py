"""The DNS as rotator asks it.

| module | what |
| --- | --- |
| `resolving` | which resolver to ask; names and addresses as operators write them |
| `lookups` | aliases, zones, and the servers that a zone has |
| `watching` | what each authoritative server itself shows |
| `updates` | records written by RFC 2136 |
"""

from __future__ import annotations

from rotator.lib.dns.lookups import DnsError, Lookups, Nameserver

__all__ = ["DnsError", "Lookups", "Nameserver"]
