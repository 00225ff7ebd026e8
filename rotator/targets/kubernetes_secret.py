"""Target `kubernetes_secret`: one Secret of type `kubernetes.io/tls`.

Both keys are written by one request that carries the `resourceVersion` which was read, so that kubelets never see
half a pair and another writer's change is never overwritten. Other keys, labels and annotations stay as they are; the
one annotation of ours says which certificate rotator put there. `ca.crt` is renewed by the rule of `lib.kube.anchors`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import ClassVar

import msgspec
from pydantic import Field

from rotator.core.model import Bundle, Chain, Check, Deployed, Endpoint, Location, Observation, Snapshot, TargetSpec
from rotator.core.pem import chain_pem
from rotator.errors import Conflict, TargetError
from rotator.lib.kube.anchors import renewed_ca
from rotator.lib.kube.cluster import Cluster, Pace, connect, patience
from rotator.lib.kube.errors import Call, KubeError
from rotator.lib.kube.objects import Metadata, Secret, TlsData
from rotator.lib.kube.references import namespace_of, references
from rotator.lib.kube.rehearsal import rehearse_restart, rehearse_secret
from rotator.lib.kube.renewing import Kept, renew
from rotator.lib.kube.resources import SECRETS
from rotator.lib.kube.secrets import TLS, Surroundings, location_of, observe, read
from rotator.lib.kube.transport import ENDPOINTS_UNKNOWN, IGNORE_UNSEEN, Access
from rotator.lib.kube.workloads import Named, restart
from rotator.lib.kube.writing import FINGERPRINT, Before, Change, ca_to_restore, holds, patch, whole
from rotator.ports import Clock
from rotator.settings import Duration, Kubeconfig, PluginSettings

TRIES = 5


class KubernetesSecretSettings(PluginSettings):
    """Which Secret of which cluster."""

    namespace: str = Field(min_length=1, description="The Secret's namespace.")
    name: str = Field(min_length=1, description="The Secret's name; it is created when it does not exist.")
    kubeconfig: Kubeconfig = Field(default="", description="A kubeconfig file; without it the pod's own credentials.")
    kube_context: str = Field(default="", description="A context of the kubeconfig; without it the current one.")
    settle: Duration = Field(
        default=timedelta(seconds=150), description="How long kubelets and consumers may take to serve a change."
    )
    rollout: Duration = Field(
        default=timedelta(minutes=10), description="How long a restarted workload may take to be available again."
    )
    allow_managers: tuple[str, ...] = Field(
        default=(), description="Field managers beside kubectl that may have written `tls.crt` (globs)."
    )


class KubernetesSecretTarget:
    """One TLS Secret."""

    Settings: ClassVar[type[PluginSettings]] = KubernetesSecretSettings
    kind: ClassVar[str] = "kubernetes_secret"

    def __init__(self, name: str, spec: TargetSpec, settings: PluginSettings, clock: Clock) -> None:
        assert isinstance(settings, KubernetesSecretSettings)
        self.name = name
        self._settings = settings
        self._clock = clock
        self._cluster: Cluster = connect(
            Access(settings.kubeconfig, settings.kube_context), Pace(clock.wait, clock.monotonic)
        )
        self._where = f"Secret {settings.namespace}/{settings.name}"
        self._restart = spec.restart

    @property
    def location(self) -> Location:
        """The place; its system is the uid of `kube-system` where that may be read, else the API server's host."""
        return location_of(self._cluster.identity(), self._settings.namespace, self._settings.name)

    @property
    def peers(self) -> tuple[Endpoint, ...]:
        """The API server."""
        return self._cluster.transport.peers

    @property
    def settle(self) -> timedelta:
        return self._settings.settle

    # ------------------------------------------------------------ reading

    def snapshot(self) -> Snapshot:
        try:
            secret = self._read()
            if secret is None:
                return Snapshot(Observation(self.location))
            observation = observe(secret, self._around())
        except KubeError as error:
            raise TargetError(f"{self._where}: {error}") from error
        held = secret.data or TlsData()
        before = Before(held.certificate, held.key, held.ca, (secret.metadata.annotations or {}).get(FINGERPRINT))
        return Snapshot(observation, msgspec.json.encode(before))

    def _around(self) -> Surroundings:
        """The same knowledge that the source has, of this one namespace; what may not be read is only missing."""
        namespace = self._settings.namespace
        found = references(self._cluster, namespace)
        if found.unread:
            self._cluster.transport.say_once(ENDPOINTS_UNKNOWN, "; ".join(found.unread))
        try:
            metadata = namespace_of(self._cluster, namespace) or Metadata()
        except KubeError as error:
            if error.status != 403:
                raise
            self._cluster.transport.say_once(IGNORE_UNSEEN, str(error))
            metadata = Metadata()
        return Surroundings(
            system=self._cluster.identity(),
            namespaces={namespace: metadata},
            references=found,
            allow_managers=self._settings.allow_managers,
        )

    def _call(self, verb: str) -> Call:
        return Call(verb, SECRETS, self._settings.namespace, self._settings.name)

    def _read(self) -> Secret | None:
        return self._cluster.get(self._call("get"), Secret)

    # ------------------------------------------------------------ writing

    def deploy(self, bundle: Bundle, *, replacing: str | None) -> Deployed:
        if not bundle.key:
            raise TargetError(f"{self._where}: a Secret needs the key, which is held elsewhere; nothing was written")

        def change(secret: Secret | None) -> tuple[Change | None, str]:
            if secret is None:
                self._compare(None, replacing, bundle.chain.fingerprint)
                return whole(self._settings.namespace, self._settings.name, bundle), f"{self._where} was created"
            held = secret.data or TlsData()
            if holds(held, bundle):
                return None, f"{self._where} holds this certificate already"
            self._compare(read(secret)[0], replacing, bundle.chain.fingerprint)
            ca, told = renewed_ca(held.ca, read(secret)[0], bundle.chain)
            wanted = TlsData(chain_pem(bundle.chain), bundle.key, ca)
            return patch(wanted, held, bundle.chain.fingerprint), f"{self._where} was written{told}"

        return self._swap(change)

    def restore(self, to: Snapshot, *, replacing: str | None) -> Deployed:
        if not to.state or (to.chain is None and to.observation.problem is None):
            return Deployed(to.observation.location, f"{self._where} was empty before and stays as it is")
        before = msgspec.json.decode(to.state, type=Before)

        def change(secret: Secret | None) -> tuple[Change | None, str]:
            if secret is None:
                raise Conflict(f"{self._where} was deleted meanwhile; nothing was put back")
            held = secret.data or TlsData()
            if (held.certificate, held.key) == (before.certificate, before.key):
                return None, f"{self._where} holds what it held before already"
            chain = read(secret)[0]
            self._compare(chain, replacing, to.fingerprint)
            wanted = TlsData(before.certificate, before.key, ca_to_restore(held, before, to.chain, chain))
            return patch(wanted, held, before.fingerprint), f"{self._where} was put back"

        return self._swap(change)

    def _compare(self, chain: Chain | None, replacing: str | None, wanted: str | None) -> None:
        """Compare with what the caller saw; what it is about to put there is no conflict either."""
        there = chain.fingerprint if chain else None
        if there not in {replacing, wanted}:
            seen = f"the certificate {replacing[:16]}…" if replacing else "no certificate"
            now = f"{there[:16]}…" if there else "none"
            raise Conflict(f"{self._where} held {seen} and now holds {now}; nothing was written")

    def _swap(self, change: Callable[[Secret | None], tuple[Change | None, str]]) -> Deployed:
        """Read, decide, write with the resourceVersion that was read; again when only the metadata moved.

        An outcome that is not known (no answer, 5xx) is settled by reading again: a write that arrives late carries an
        old resourceVersion and is refused.
        """
        refused: KubeError | None = None
        for attempt in range(TRIES + 1):
            try:
                secret = self._read()
            except KubeError as error:
                raise TargetError(f"{self._where}: {error}{_unsettled(refused)}") from error
            if secret is not None:
                self._check(secret)
            wanted, told = change(secret)
            if wanted is None:
                return Deployed(self.location, told)
            if refused is not None and attempt == TRIES:
                break
            try:
                self._write(secret, wanted)
            except KubeError as error:
                gone = error.status == 404 and secret is not None
                if not (error.uncertain or error.passes or error.status == 409 or gone):
                    raise TargetError(f"{self._where}: {error}; nothing was written") from error
                refused = error
                self._clock.wait(patience(error, attempt))
            else:
                return Deployed(self.location, told)
        assert refused is not None
        if refused.status == 409:
            raise Conflict(f"{self._where} was changed by somebody else {TRIES} times while it was being written")
        raise TargetError(
            f"{self._where} could not be written in {TRIES} tries; it still holds what it held: {refused}"
        )

    def _write(self, secret: Secret | None, wanted: Change) -> None:
        if secret is None:
            self._cluster.create(self._call("create"), wanted)
            return
        metadata = {**wanted["metadata"], "resourceVersion": secret.metadata.resource_version}
        self._cluster.patch(self._call("patch"), {**wanted, "metadata": metadata})

    def _check(self, secret: Secret) -> None:
        if secret.type != TLS:
            raise TargetError(f"{self._where} is of type {secret.type or 'Opaque'}; rotator writes {TLS} only")
        if secret.immutable:
            raise TargetError(
                f"{self._where} is immutable; delete it and let rotator create it anew, then restart what mounts it"
            )
        if secret.metadata.deletion_timestamp:
            raise TargetError(f"{self._where} is being deleted; nothing was written")

    def rehearse(self) -> tuple[Check, ...]:
        """Try the write, and each restart that the config names, as dry runs."""
        namespace = self._settings.namespace
        return (self._rehearsed(), *(rehearse_restart(self._cluster, each, namespace) for each in self._restart))

    def _rehearsed(self) -> Check:
        try:
            secret = self._read()
            if secret is not None:
                self._check(secret)
            check = rehearse_secret(self._cluster, self._call, FINGERPRINT, there=secret is not None)
        except TargetError as error:
            return Check("write", str(error))
        except KubeError as error:
            return Check("write", f"{self._where}: {error}")
        return replace(check, problem=f"{self._where}: {check.problem}") if check.problem else check

    # ------------------------------------------------------------ owner and consumers

    def renew_by_owner(self, *, resume: str | None, checkpoint: Callable[[str], None]) -> Chain:
        """Ask cert-manager for a new certificate in this Secret, and follow it."""
        where = Kept(self._settings.namespace, self._settings.name, self._settings.allow_managers)
        return renew(self._cluster, self._clock, where, resume=resume, checkpoint=checkpoint)

    def restart(self, workload: str) -> str:
        try:
            named = Named.parse(workload, self._settings.namespace)
            return restart(self._cluster, named, self._clock.now(), self._settings.rollout)
        except (KubeError, ValueError) as error:
            raise TargetError(str(error)) from error

    @classmethod
    def adopt(cls, observation: Observation, rule: Mapping[str, object]) -> TargetSpec | None:
        labels = observation.labels
        if labels.get("kind") != "Secret" or not {"namespace", "name"} <= set(labels):
            return None
        settings: dict[str, object] = {**rule, "namespace": labels["namespace"], "name": labels["name"]}
        settings |= {key: labels[key] for key in ("kubeconfig", "kube_context") if key in labels}
        if "allow_managers" in labels:
            settings["allow_managers"] = labels["allow_managers"].split()
        return TargetSpec(cls.kind, settings)


def _unsettled(refused: KubeError | None) -> str:
    if refused is None or not refused.uncertain:
        return ""
    return f"; a write before it ended without an answer ({refused}), so either certificate may be there"
