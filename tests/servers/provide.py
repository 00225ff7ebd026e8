"""Put the servers and tools that the tests need on this machine: `python -m tests.servers.provide [names…]`.

Standard library only. Each is got once, under a lock, into a temporary folder that is renamed at the end, so that a
broken run leaves nothing half-made. When everything is there it returns at once.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from tests.servers.catalogue import (
    CATALOGUE,
    DebianPackage,
    GoModule,
    Provision,
    PythonPackage,
    cache,
    find,
    is_complete,
)

POLICY = Path("/usr/sbin/policy-rc.d")
ATTEMPTS = 2  # a registry hiccup should not cost a run


class ProvideError(Exception):
    """Something cannot be provided here; the message says what a person can do about it."""


def say(message: str) -> None:
    """Report progress."""
    sys.stderr.write(f"provide: {message}\n")
    sys.stderr.flush()


def run(command: Sequence[str | Path], *, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> None:
    """Run a command whose output goes to stderr; try again when it fails."""
    for attempt in range(1, ATTEMPTS + 1):
        environment = {**os.environ, **(env or {})}
        status = subprocess.run(command, cwd=cwd, env=environment, stdout=sys.stderr, check=False).returncode
        if status == 0:
            return
        say(f"attempt {attempt} of {ATTEMPTS}: {command[0]} {command[1]} ended with status {status}")
    raise ProvideError(f"`{' '.join(map(str, command))}` failed")


@contextlib.contextmanager
def lock(name: str) -> Iterator[None]:
    """Hold a lock below the cache; one per way of getting things, so that never two heavy builds run at once."""
    cache().mkdir(parents=True, exist_ok=True)
    with (cache() / f".{name}.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"another run holds the {name} lock; waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def place(provision: GoModule | PythonPackage, build: Callable[[Path], None]) -> None:
    """Build into a temporary folder and rename it to its final name."""
    destination = cache() / f"{provision.name}-{provision.version}"
    began = time.monotonic()
    say(f"{destination.name}: getting it")
    with tempfile.TemporaryDirectory(dir=cache(), prefix=f".building-{provision.name}-") as temporary:
        folder = Path(temporary, destination.name)
        folder.mkdir()
        build(folder)
        # What lies there is incomplete, or we would not be here.
        shutil.rmtree(destination, ignore_errors=True)
        folder.rename(destination)
    say(f"{destination.name}: ready after {time.monotonic() - began:.0f} s")


# ── Go ───────────────────────────────────────────────────────────────────────────────────────────────────────────────


def go_environment(**extra: str) -> dict[str, str]:
    """Return the settings of every Go build; what the machine sets already stays."""
    flags = " ".join(filter(None, (os.environ.get("GOFLAGS"), "-trimpath")))
    return {"CGO_ENABLED": "0", "GOFLAGS": flags, **extra}


def go_install(provision: GoModule, folder: Path) -> None:
    """Build the commands of a module that can be installed as it is published."""
    commands = [f"{provision.module}/{command}@v{provision.version}" for command in provision.commands]
    run(["go", "install", "-ldflags=-s -w", *commands], env=go_environment(GOBIN=str(folder)))


def go_build_kubernetes(provision: GoModule, folder: Path) -> None:
    """Build Kubernetes commands, whose module is published with requirements that only hold inside its own tree."""
    staging_version = "v0." + provision.version.removeprefix("1.")
    replaces = [f"\tk8s.io/{name} => k8s.io/{name} {staging_version}" for name in provision.staging]
    require = f"require {provision.module} v{provision.version}"
    lines = ["module servers", "go 1.26.0", require, "replace (", *replaces, ")", ""]
    with tempfile.TemporaryDirectory(prefix="rotator-go-") as source:
        Path(source, "go.mod").write_text("\n".join(lines))
        # A module carries no tag, so the version that clients are told is given by hand.
        linker = f"-ldflags=-s -w -X k8s.io/component-base/version.gitVersion=v{provision.version}"
        for command in provision.commands:
            build = ["go", "build", "-mod=mod", linker, "-o", str(folder), f"{provision.module}/{command}"]
            run(build, cwd=Path(source), env=go_environment())


def go_build_own(provision: GoModule, folder: Path) -> None:
    """Build a small `main` of our own around the packages of a module."""
    with tempfile.TemporaryDirectory(prefix="rotator-go-") as temporary:
        source = Path(temporary, provision.source)
        shutil.copytree(Path(__file__).with_name(provision.source), source)
        require = f"require {provision.module} v{provision.version}"
        (source / "go.mod").write_text("\n".join(("module servers", "go 1.26.0", require, "")))
        for command in provision.commands:
            build = ["go", "build", "-mod=mod", "-ldflags=-s -w", "-o", str(folder / command), "."]
            run(build, cwd=source, env=go_environment())
        if provision.keep:
            where = ["go", "list", "-mod=mod", "-m", "-f", "{{.Dir}}", provision.module]
            module = subprocess.run(where, cwd=source, capture_output=True, text=True, check=True).stdout.strip()
            kept = folder / Path(provision.keep).name
            kept.mkdir()
            for file in Path(module, provision.keep).iterdir():
                shutil.copyfile(file, kept / file.name)  # without the module cache's modes, which forbid to write


def go_build(provision: GoModule, folder: Path) -> None:
    """Build a module's commands in the way that it needs."""
    if provision.source:
        go_build_own(provision, folder)
    elif provision.staging:
        go_build_kubernetes(provision, folder)
    else:
        go_install(provision, folder)


def provide_go(provisions: Sequence[GoModule]) -> None:
    """Build what is missing, one after the other."""
    if shutil.which("go") is None:
        names = ", ".join(each.name for each in provisions)
        raise ProvideError(f"{names}: install Go 1.26 or newer, then run this again")
    for provision in provisions:
        with lock("go"):
            if not is_complete(provision):
                place(provision, lambda folder, p=provision: go_build(p, folder))  # type: ignore[misc]


# ── Python packages ──────────────────────────────────────────────────────────────────────────────────────────────────


def pip_install(provision: PythonPackage, folder: Path) -> None:
    """Install a pinned wheel into a folder of its own, outside every environment."""
    requirement = f"{provision.package}=={provision.version}"
    options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:", "--target", str(folder)]
    run([sys.executable, "-m", "pip", "install", *options, requirement])


def provide_python(provisions: Sequence[PythonPackage]) -> None:
    """Install what is missing."""
    for provision in provisions:
        with lock("pip"):
            if not is_complete(provision):
                place(provision, lambda folder, p=provision: pip_install(p, folder))  # type: ignore[misc]


# ── Debian packages ──────────────────────────────────────────────────────────────────────────────────────────────────


@contextlib.contextmanager
def nothing_started() -> Iterator[None]:
    """Forbid packages to start their services, and leave the machine's own rule as it was."""
    before = POLICY.read_bytes() if POLICY.exists() else None
    mode = POLICY.stat().st_mode if before is not None else 0
    POLICY.write_text("#!/bin/sh\nexit 101\n")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        if before is None:
            POLICY.unlink()
        else:
            POLICY.write_bytes(before)
            POLICY.chmod(mode)


def provide_debian(provisions: Sequence[DebianPackage]) -> None:
    """Install all missing packages in one go."""
    with lock("apt"):
        missing = [each.package for each in provisions if not is_complete(each)]
        if not missing:
            return
        if os.geteuid() != 0 or shutil.which("apt-get") is None:
            raise ProvideError(f"as root on Debian, install: {' '.join(missing)}")
        say(f"Debian packages: {' '.join(missing)}")
        began = time.monotonic()
        apt = ["apt-get", "--quiet=2", "-o", "DPkg::Lock::Timeout=300"]
        environment = {"DEBIAN_FRONTEND": "noninteractive"}
        with nothing_started():
            run([*apt, "update"], env=environment)
            run([*apt, "install", "--yes", "--no-install-recommends", *missing], env=environment)
        say(f"Debian packages: ready after {time.monotonic() - began:.0f} s")


# ── All ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def choose(names: Sequence[str]) -> list[Provision]:
    """Return the entries of these names; all of them when none is named."""
    known = {each.name: each for each in CATALOGUE}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ProvideError(f"unknown: {', '.join(unknown)}; there are: {', '.join(known)}")
    return [known[name] for name in names] or list(CATALOGUE)


def provide(provisions: Sequence[Provision]) -> list[str]:
    """Get what is missing; return one sentence for each thing that could not be had."""
    missing = [each for each in provisions if not is_complete(each)]
    steps: list[Callable[[], None]] = []
    if debian := [each for each in missing if isinstance(each, DebianPackage)]:
        steps.append(lambda: provide_debian(debian))
    if python := [each for each in missing if isinstance(each, PythonPackage)]:
        steps.append(lambda: provide_python(python))
    if go := [each for each in missing if isinstance(each, GoModule)]:
        steps.append(lambda: provide_go(go))
    problems = []
    for step in steps:
        try:
            step()
        except ProvideError as error:
            problems.append(str(error))
    absent = [each.name for each in provisions if not is_complete(each)]
    if absent and not problems:
        problems.append(f"got, but without their programs: {', '.join(absent)}")
    return problems


def main(names: Sequence[str]) -> int:
    """Provide the named entries, or all; return the exit status."""
    try:
        chosen = choose(names)
    except ProvideError as error:
        say(str(error))
        return 2
    problems = provide(chosen)
    for problem in problems:
        say(problem)
    if not problems:
        for provision in chosen:
            say(f"{provision.name}: {', '.join(str(find(program)) for program in provision.programs)}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
