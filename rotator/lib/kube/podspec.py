"""The fields of a pod that tell what it takes from Secrets."""

from __future__ import annotations

from msgspec import Struct, field

from rotator.lib.kube.objects import Metadata


class KeyToPath(Struct):
    key: str = ""
    path: str = ""


class SecretVolume(Struct, rename="camel"):
    """A Secret in a volume; projected volumes write `name`, others `secretName`."""

    secret_name: str = ""
    name: str = ""
    items: list[KeyToPath] | None = None
    optional: bool | None = None

    @property
    def secret(self) -> str:
        return self.secret_name or self.name


class Projection(Struct):
    secret: SecretVolume | None = None


class Projected(Struct):
    sources: list[Projection] | None = None


class Volume(Struct):
    name: str = ""
    secret: SecretVolume | None = None
    projected: Projected | None = None

    @property
    def secrets(self) -> tuple[SecretVolume, ...]:
        """The Secrets in it."""
        sources = (self.projected.sources or ()) if self.projected else ()
        return tuple(each for each in (self.secret, *(source.secret for source in sources)) if each)


class VolumeMount(Struct, rename="camel"):
    name: str = ""
    mount_path: str = ""
    sub_path: str = ""
    sub_path_expr: str = ""


class ContainerPort(Struct, rename="camel"):
    container_port: int = 0


class SecretReference(Struct):
    """A Secret, or one key of it, in the environment."""

    name: str = ""
    key: str = ""
    optional: bool | None = None


class EnvSource(Struct, rename="camel"):
    secret_key_ref: SecretReference | None = None


class EnvVar(Struct, rename="camel"):
    value_from: EnvSource | None = None


class EnvFrom(Struct, rename="camel"):
    secret_ref: SecretReference | None = None


class Container(Struct, rename="camel"):
    name: str = ""
    ports: list[ContainerPort] | None = None
    volume_mounts: list[VolumeMount] | None = None
    env: list[EnvVar] | None = None
    env_from: list[EnvFrom] | None = None


class PodSpec(Struct, rename="camel"):
    containers: list[Container] | None = None
    init_containers: list[Container] | None = None
    volumes: list[Volume] | None = None


class PodStatus(Struct):
    phase: str = ""


class Pod(Struct):
    metadata: Metadata = field(default_factory=Metadata)
    spec: PodSpec = field(default_factory=PodSpec)
    status: PodStatus = field(default_factory=PodStatus)


def containers_of(pod: Pod) -> tuple[Container, ...]:
    """Init containers too: a sidecar is one."""
    return (*(pod.spec.containers or ()), *(pod.spec.init_containers or ()))


def from_environment(container: Container) -> tuple[SecretReference, ...]:
    """What a container reads into its environment; without a key, the whole Secret."""
    variables = (each.value_from.secret_key_ref for each in container.env or () if each.value_from)
    wholes = (each.secret_ref for each in container.env_from or ())
    return tuple(each for each in (*variables, *wholes) if each)
