"""What to keep alive: certificate specs and their parts."""

from __future__ import annotations

from types import MappingProxyType

from rotator.core.model import (
    CertificateSpec,
    KeySpec,
    MaintenanceWindow,
    Mode,
    TargetSpec,
    TlsaMode,
    TrustKind,
    TrustSpec,
)
from rotator.core.reasons import Reason
from rotator.state.serial.scalars import (
    Json,
    length_from_json,
    length_to_json,
    maybe_length_from_json,
    maybe_length_to_json,
)
from rotator.state.serial.world import endpoint_from_json, endpoint_to_json


def key_spec_to_json(key: KeySpec) -> Json:
    return {"algorithm": key.algorithm, "size": key.size, "reuse": key.reuse, "ahead": key.ahead}


def key_spec_from_json(document: Json) -> KeySpec:
    return KeySpec(document["algorithm"], document["size"], document.get("reuse", False), document.get("ahead", False))


def target_to_json(target: TargetSpec) -> Json:
    return {"kind": target.kind, "settings": dict(target.settings), "restart": list(target.restart)}


def target_from_json(document: Json) -> TargetSpec:
    return TargetSpec(
        kind=document["kind"],
        settings=MappingProxyType(dict(document["settings"])),
        restart=tuple(document["restart"]),
    )


def trust_to_json(trust: TrustSpec | None) -> Json | None:
    return None if trust is None else {"kind": trust.kind.value, "path": trust.path}


def trust_from_json(document: Json | None) -> TrustSpec | None:
    return None if document is None else TrustSpec(TrustKind(document["kind"]), document["path"])


def window_to_json(window: MaintenanceWindow) -> Json:
    return {
        "weekdays": sorted(window.weekdays),
        "start_minute": window.start_minute,
        "length": length_to_json(window.length),
    }


def window_from_json(document: Json) -> MaintenanceWindow:
    return MaintenanceWindow(
        weekdays=frozenset(document["weekdays"]),
        start_minute=document["start_minute"],
        length=length_from_json(document["length"]),
    )


def spec_to_json(spec: CertificateSpec) -> Json:
    return {
        "name": spec.name,
        "names": list(spec.names),
        "issuers": list(spec.issuers),
        "owner": spec.owner,
        "key": key_spec_to_json(spec.key),
        "targets": [target_to_json(target) for target in spec.targets],
        "endpoints": [endpoint_to_json(endpoint) for endpoint in spec.endpoints],
        "lifetime": maybe_length_to_json(spec.lifetime),
        "profile": spec.profile,
        "renew_before": maybe_length_to_json(spec.renew_before),
        "trust": trust_to_json(spec.trust),
        "mode": spec.mode.value,
        "windows": [window_to_json(window) for window in spec.windows],
        "allow": sorted(reason.value for reason in spec.allow),
        "adopted_from": spec.adopted_from,
        "csr": spec.csr,
        "tlsa": spec.tlsa.value,
    }


def spec_from_json(document: Json) -> CertificateSpec:
    return CertificateSpec(
        name=document["name"],
        names=tuple(document["names"]),
        issuers=tuple(document["issuers"]),
        owner=document["owner"],
        key=key_spec_from_json(document["key"]),
        targets=tuple(target_from_json(target) for target in document["targets"]),
        endpoints=tuple(endpoint_from_json(endpoint) for endpoint in document["endpoints"]),
        lifetime=maybe_length_from_json(document["lifetime"]),
        profile=document["profile"],
        renew_before=maybe_length_from_json(document["renew_before"]),
        trust=trust_from_json(document["trust"]),
        mode=Mode(document["mode"]),
        windows=tuple(window_from_json(window) for window in document["windows"]),
        allow=frozenset(Reason(reason) for reason in document["allow"]),
        adopted_from=document["adopted_from"],
        csr=document.get("csr", ""),
        tlsa=TlsaMode(document.get("tlsa", "off")),
    )
