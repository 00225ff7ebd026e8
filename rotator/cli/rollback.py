"""`rotator rollback`: put the previous certificate back."""

from __future__ import annotations

from rotator.cli.ending import Ending
from rotator.cli.options import DEFAULT_CONFIG, ConfigOption, NameArgument, Output, OutputOption


def rollback(name: NameArgument, config: ConfigOption = DEFAULT_CONFIG, output: OutputOption = Output.TABLE) -> Ending:
    """Put the previous certificate back at all its places.

    The newer one is quarantined there, and the certificate is held until `rotator approve NAME`: rotator does not
    overwrite what a person put back. Possible while the previous one is kept (72 h) and still valid.
    """
    from rotator.cli.asking import ask, tell
    from rotator.cli.opening import log_to_stderr, named, read_config, reading

    log_to_stderr("warning")
    read = read_config(config)
    with reading(read) as store:
        named([name], store, read)
    return tell(output, ask(read, "rollback", [{"certificate": name}]))
