"""Which file system a path is on."""

from __future__ import annotations

from pathlib import Path

import pytest

from rotator.state.mounts import file_system, network_file_system

TABLE = """\
/dev/vda / ext4 rw,relatime 0 0
tmpfs /run tmpfs rw 0 0
filer:/export /srv nfs4 rw,vers=4.2 0 0
//nas/pki /mnt/with\\040space cifs rw 0 0
/dev/vdb /srv/local xfs rw 0 0
broken
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/var/lib/rotator", "ext4"),
        ("/srv", "nfs4"),
        ("/srv/rotator", "nfs4"),
        ("/srv/local/rotator", "xfs"),
        ("/srvice", "ext4"),
        ("/mnt/with space/rotator", "cifs"),
    ],
)
def test_the_nearest_mount_counts(path: str, kind: str) -> None:
    """The mount whose folder is the longest part of the path holds it; spaces in its name are read."""
    assert file_system(Path(path), TABLE) == kind


def test_a_local_folder_is_on_no_network(tmp_path: Path) -> None:
    """The folder of a test is local, by the mount table of this machine."""
    assert network_file_system(tmp_path) == ""
