"""From the config file to what the flow works with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from rotator.config.baseline import load_baseline
from rotator.config.entries import PluginEntry, Plugins
from rotator.config.model import NO_ALERTS, Adoption, Declared, File
from rotator.config.names import name_remarks
from rotator.config.readable import whole
from rotator.config.ready import not_ready
from rotator.config.source import Document
from rotator.core.adopt import AdoptionRule
from rotator.core.budget.limits import CaLimits, IssuerBudget
from rotator.core.lead import PolicySettings
from rotator.core.model import CertificateSpec, Mode, TargetSpec, TrustSpec
from rotator.core.rules.judgement import Judgement
from rotator.core.rules.rule import Thresholds
from rotator.errors import ConfigProblem
from rotator.lib.registered import registered_domain
from rotator.plugins import find
from rotator.ports import HasBudget
from rotator.settings import SecretRef, certificate_files

_GLOB = frozenset("*?[")


@dataclass(frozen=True, slots=True)
class Config:
    """A configuration without mistakes.

    Attributes:
        name: the file's name, as messages show it.
        file: every key that is not a plugin's.
    """

    name: str
    file: File
    plugins: Plugins
    document: Document = field(repr=False, compare=False)

    @property
    def sources(self) -> tuple[PluginEntry, ...]:
        return self.plugins.sources

    @property
    def issuers(self) -> tuple[PluginEntry, ...]:
        return self.plugins.issuers

    @property
    def alerters(self) -> tuple[PluginEntry, ...]:
        return self.plugins.alerters

    @property
    def heartbeat(self) -> SecretRef | None:
        """Where to ping after each complete look."""
        return self.plugins.heartbeat.url if self.plugins.heartbeat else None

    @property
    def alerts_missing(self) -> bool:
        """No alerter reaches people (a log does not), and the file does not say that this is meant."""
        reaching = [entry for entry in self.alerters if getattr(find("alerters", entry.kind), "reaches_people", True)]
        return self.file.alerts != NO_ALERTS and not reaching

    @property
    def issuer_trust(self) -> Mapping[str, TrustSpec]:
        """What clients trust, for the issuers whose entry says it."""
        return {entry.name: entry.shared["trust"] for entry in self.issuers if entry.shared["trust"] is not None}

    @property
    def peer_roots(self) -> tuple[str, ...]:
        """The files of roots by which plugins verify the servers that they talk to."""
        plugins = (entry.settings for entry in (*self.sources, *self.issuers, *self.alerters))
        return tuple(dict.fromkeys(str(path) for settings in plugins for path in certificate_files(settings)))

    def policy(self) -> PolicySettings:
        """What the file says about when things are done."""
        hourly = {entry.name: entry.shared["an_hour"] for entry in self.issuers if entry.shared["an_hour"] is not None}
        return PolicySettings(
            mode=self.file.mode,
            check_every=self.file.check_every,
            shortest_tick=self.file.shortest_tick,
            due_rule=self.file.due_rule,
            at_once=self.file.limits.at_once,
            an_hour=self.file.limits.an_hour,
            issuer_limits=hourly,
            budgets={entry.name: _budget(entry) for entry in self.issuers},
            registered_domain=registered_domain,
            first_look_acts=self.file.first_look == "act",
        )

    def judgement(self) -> Judgement:
        """How the audit judges.

        Raises:
            ConfigError: the baseline has mistakes.
        """
        scan = self.file.scan
        return Judgement(
            thresholds=Thresholds(expiring_within=scan.expiring_within, scts=scan.scts),
            severities=scan.severities,
            only=frozenset(scan.only),
            ignore=frozenset(scan.ignore),
            baseline=load_baseline(Path(scan.baseline)) if scan.baseline else (),
        )

    def specs(self) -> tuple[CertificateSpec, ...]:
        """The certificates that are said in full."""
        return tuple(
            _spec(certificate, self.plugins.targets.get(index, ()), self.file.mode)
            for index, certificate in enumerate(self.file.certificates)
        )

    def rules(self) -> tuple[AdoptionRule, ...]:
        """What of the found certificates is adopted, in the order of the file."""
        return tuple(_rule(index, adoption, self.file.mode) for index, adoption in enumerate(self.file.adopt))

    def not_ready(self) -> tuple[ConfigProblem, ...]:
        """What the config names and is not usable right now; no mistakes of the file, see `rotator.config.ready`."""
        return not_ready(self.document, whole(self.file), self.plugins)

    def remarks(self) -> tuple[ConfigProblem, ...]:
        """What works and is perhaps not meant, in the order of the file; it neither fails a check nor a start."""
        found = name_remarks(self.document, whole(self.file), self.plugins)
        return tuple(sorted(found, key=lambda remark: (remark.line, remark.column)))


def _budget(entry: PluginEntry) -> IssuerBudget:
    """What the CA of an issuer limits: as the entry says, else as its settings know their CA to publish.

    An issuer whose settings name no account shares its budget with nobody.
    """
    known = entry.settings.budget if isinstance(entry.settings, HasBudget) else IssuerBudget()
    said: CaLimits | None = entry.shared["limits"]
    return replace(
        known,
        limits=known.limits if said is None else said,
        unsaid=said is None and not known.limits and bool(known.caa_domains),
        ca=known.ca or entry.name,
        account=known.account or entry.name,
    )


def _mode(one: Declared | Adoption, otherwise: Mode) -> Mode:
    return one.mode if one.mode is not None else otherwise


def _spec(certificate: Declared, targets: tuple[PluginEntry, ...], mode: Mode) -> CertificateSpec:
    return CertificateSpec(
        name=certificate.name,
        names=certificate.names,
        issuers=certificate.issuer,
        owner=certificate.owner,
        key=certificate.key,
        targets=tuple(TargetSpec(entry.kind, entry.raw, entry.shared["restart"]) for entry in targets),
        endpoints=certificate.endpoints,
        lifetime=certificate.lifetime,
        profile=certificate.profile,
        renew_before=certificate.renew_before,
        trust=certificate.trust,
        mode=_mode(certificate, mode),
        windows=certificate.windows,
        allow=certificate.allow,
        csr=certificate.csr,
        tlsa=certificate.tlsa,
    )


def _rule(index: int, adoption: Adoption, mode: Mode) -> AdoptionRule:
    return AdoptionRule(
        place=f"adopt[{index}]",
        source=adoption.from_,
        issuers=adoption.issuer,
        match={key: _pattern(key, pattern) for key, pattern in adoption.match.items()},
        mode=_mode(adoption, mode),
        owner=adoption.owner,
        key=adoption.key,
        trust=adoption.trust,
        renew_before=adoption.renew_before,
        restart=adoption.restart,
        target_settings=adoption.target_settings,
    )


def _pattern(key: str, pattern: str) -> str:
    """`issuer: Services CA` is found anywhere in the issuer's distinguished name; a glob is left as it is."""
    return f"*{pattern}*" if key == "issuer" and not _GLOB & set(pattern) else pattern
