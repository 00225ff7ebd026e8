"""What `rotator scan` can be pointed at."""

from __future__ import annotations

from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest

from rotator.cli.ending import Mistake
from rotator.cli.scantargets import Targets

PEM = b"-----BEGIN CERTIFICATE-----\nanything\n"


def read(*words: str, stdin: str = "", wide: bool = False) -> tuple[list[str], Targets]:
    """The endpoints of some words, and where the others went."""
    targets = Targets(words, StringIO(stdin), wide)
    targets.check()
    return [str(endpoint) for endpoint in targets.endpoints()], targets


def test_endpoints_in_every_form() -> None:
    """Hosts, ports, schemes, names at addresses, ranges and several ports are endpoints."""
    endpoints, targets = read(
        "shop.example.com",
        "shop.example.com:8443",
        "smtp://mail.example.com:25",
        "[2001:db8::1]:443",
        "shop.example.com@192.0.2.1:443",
        "192.0.2.0/30",
        "192.0.2.9:443,8443",
    )
    assert endpoints == [
        "shop.example.com:443",
        "shop.example.com:8443",
        "smtp://mail.example.com:25",
        "[2001:db8::1]:443",
        "shop.example.com@192.0.2.1:443",
        "192.0.2.1:443",
        "192.0.2.2:443",
        "192.0.2.9:443",
        "192.0.2.9:8443",
    ]
    assert targets.count == len(endpoints)


def test_what_exists_is_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is called like a host is a file, and a folder is one to look through."""
    (tmp_path / "shop.example.com").write_bytes(PEM)
    monkeypatch.chdir(tmp_path)
    endpoints, targets = read("shop.example.com", str(tmp_path))
    assert (endpoints, targets.files, targets.folders) == ([], [str(tmp_path / "shop.example.com")], [str(tmp_path)])


def test_globs_and_missing_files() -> None:
    """A pattern is kept for the source; a path that is not there could not be looked at."""
    _, targets = read("/etc/ssl/*.crt", "/nowhere/at/all.crt", "nowhere/24")
    assert targets.files == ["/etc/ssl/*.crt"]
    assert [one.message for one in targets.unseen] == ["No such file or directory"] * 2
    assert targets.unseen[0].where == "/nowhere/at/all.crt"


def test_words_for_sources() -> None:
    """Clusters, Vault and ACM are put aside for their sources, in the order of the words."""
    _, targets = read("k8s://prod/shop", "vault://vault.example.com/secret", "acm://eu-central-1")
    assert targets.plugins == [
        ("kubernetes", "k8s://prod/shop"),
        ("vault", "vault://vault.example.com/secret"),
        ("aws_acm", "acm://eu-central-1"),
    ]


def test_lists(tmp_path: Path) -> None:
    """`@file` and `-` stand for their lines; comments and empty lines mean nothing."""
    listed = tmp_path / "list"
    listed.write_text("# ours\n\nshop.example.com   # the shop\n")
    endpoints, targets = read(f"@{listed}", "-", stdin="mail.example.com:465\n/etc\n")
    assert endpoints == ["shop.example.com:443", "mail.example.com:465"]
    assert targets.folders == ["/etc"]
    assert targets.count is None


def test_a_bad_line_of_a_list_hides_no_other(tmp_path: Path) -> None:
    """It is named with its file and number, and the rest is looked at."""
    listed = tmp_path / "list"
    listed.write_text("gopher://old.example.com\nshop.example.com\n10.0.0.0/8\n")
    endpoints, targets = read(f"@{listed}")
    assert endpoints == ["shop.example.com:443"]
    assert [one.where for one in targets.unseen] == [f"{listed}:1", f"{listed}:3"]
    assert "--yes" in targets.unseen[1].message


KEY = "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg0123456789abcdef\n"


@pytest.mark.parametrize("how", ["@", "-"])
def test_a_key_is_no_list_and_is_never_shown(tmp_path: Path, how: str) -> None:
    """Whoever names a key with @, or pipes it in, is told so, and none of it is in any sentence."""
    path = tmp_path / "server.key"
    path.write_text(KEY)
    with pytest.raises(Mistake, match="is a PEM file") as raised:
        read(f"@{path}" if how == "@" else "-", stdin=KEY)
    assert "MIGH" not in str(raised.value)


def test_a_line_that_may_be_anything_is_not_shown(tmp_path: Path) -> None:
    """A key without its header, or noise, is refused by number alone; a line without end is not read on."""
    listed = tmp_path / "list"
    listed.write_text(KEY.splitlines()[1] + "=\nshop.example.com\n")
    endpoints, targets = read(f"@{listed}")
    assert endpoints == ["shop.example.com:443"]
    assert [(one.where, "MIGH" in one.message) for one in targets.unseen] == [(f"{listed}:1", False)]
    with pytest.raises(Mistake, match="no text"):
        read("@/dev/zero")


def test_an_empty_word_is_a_mistake() -> None:
    """An unset variable does not mean the current folder."""
    with pytest.raises(Mistake, match="empty"):
        read("")


def test_a_mistyped_file_is_no_host() -> None:
    """What ends like a certificate's file and is not there could not be looked at; no name server is asked."""
    endpoints, targets = read("nosuchfile.pem")
    assert endpoints == []
    assert targets.unseen[0].message == "No such file or directory"


def test_an_address_from_a_browser() -> None:
    """Path and query of a page mean nothing to a handshake; the prefix of a range does."""
    endpoints, _ = read("https://shop.example.com/login?x=1", "https://shop.example.com:8443/", "https://192.0.2.0/31")
    assert endpoints == ["shop.example.com:443", "shop.example.com:8443", "192.0.2.0:443", "192.0.2.1:443"]


def test_a_list_is_read_as_it_is_looked_at() -> None:
    """Of an endless input the first endpoint comes before the second line is read."""

    taken: list[str] = []

    def endless() -> Iterator[str]:
        while True:
            taken.append("shop.example.com\n")
            yield taken[-1]

    next(Targets(("-",), endless()).endpoints())
    assert len(taken) == 1


def test_wide_ranges_ask_first() -> None:
    """A /22 is looked at; what is wider only when a person said yes, and then it is not listed beforehand."""
    assert len(read("192.0.2.0/24")[0]) == 254
    with pytest.raises(Mistake, match="say --yes"):
        read("10.0.0.0/8")
    targets = Targets(("10.0.0.0/8",), StringIO(), wide=True)
    targets.check()
    assert str(next(targets.endpoints())) == "10.0.0.1:443"
    assert targets.count == 2**24 - 2


@pytest.mark.parametrize(
    "words", [["not a host"], ["gopher://shop.example.com"], ["shop.example.com:0"], ["@/nowhere"], ["192.0.2.1/24"]]
)
def test_what_is_neither_is_a_mistake(words: list[str]) -> None:
    """A word that can be nothing is refused before anything is looked at."""
    with pytest.raises(Mistake):
        read(*words)


def test_a_list_that_is_missing_is_said_once(tmp_path: Path) -> None:
    """The path stands in the sentence once, without the system's error number."""
    with pytest.raises(Mistake) as raised:
        read(f"@{tmp_path}/none")
    assert str(raised.value) == f"the list {tmp_path}/none cannot be read: No such file or directory"
