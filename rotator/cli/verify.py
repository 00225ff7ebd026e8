"""`rotator verify`: is what is stored served, and do clients take it? Looks now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rotator.cli.ending import Ending, Mistake
from rotator.cli.options import DEFAULT_CONFIG, ConfigOption, NamesArgument, Output, OutputOption
from rotator.cli.screen import progress, show

if TYPE_CHECKING:
    from rotator.core.model import CertificateSpec
    from rotator.report.verification import Verified
    from rotator.world import World


def verify(
    names: NamesArgument = None, config: ConfigOption = DEFAULT_CONFIG, output: OutputOption = Output.TABLE
) -> Ending:
    """Look now whether what is stored is served and verified.

    Every place has to hold the current certificate, every endpoint to serve it, as clients verify it. Without names:
    every certificate. Exit code 1 when something is wrong, 3 when something could not be looked at.
    """
    from rotator.cli.opening import log_to_stderr, named, on_a_copy, read_config
    from rotator.report import json
    from rotator.report.verification import table

    log_to_stderr()
    read = read_config(config)
    with on_a_copy(read) as wiring:
        specs = named(names, wiring.world.store, read)
        if not specs:
            raise Mistake("there is no certificate to verify yet; `rotator run` takes the first look")
        with progress(f"looking at {len(specs)} certificates"):
            many = [_verified(spec, wiring.world) for spec in specs]
    show(output, table=lambda: table(many), json=lambda: json.verified(many))
    if any(one.wrong for one in many):
        return Ending.NOT_DONE
    return Ending.UNSEEN if any(one.unseen for one in many) else Ending.CLEAN


def _verified(spec: CertificateSpec, world: World) -> Verified:
    from rotator.inventory import look_again
    from rotator.report.verification import verified
    from rotator.trust import trust_of

    facts = look_again(spec, world, world.clock.now())
    roots = trust_of(facts, world).roots
    return verified(facts, lambda sighting: world.verify(sighting, roots))
