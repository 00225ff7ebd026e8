"""Loading a config: every mistake at once, each where it stands, with what was probably meant."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rotator.config.build import Config
from rotator.config.load import load, load_text
from rotator.errors import ConfigError

GOOD = """\
mode: rotate
sources:
  here: {shelf: {place: hall}}
issuers:
  ca: {shelf: {place: safe}}
  other: {shelf: {place: attic}}
certificates:
  - name: shop
    names: [shop.example.com]
    issuer: ca
    targets: [{shelf: {place: shop}}]
alerts:
  ops: {shelf: {place: phone}}
"""


def mistakes(text: str) -> list[str]:
    """The messages for a text, as they are printed."""
    with pytest.raises(ConfigError) as caught:
        load_text(text, "c.yaml")
    return str(caught.value).splitlines()


TOP = "mode: rotate\n"
"""Where a key of the top level is added."""


def with_line(line: str, after: str = TOP) -> str:
    return GOOD.replace(after, f"{after}{line}\n", 1)


def test_a_good_config_loads(tmp_path: Path) -> None:
    """Shows that a file and its text give the same config, with or without a byte order mark."""
    file = tmp_path / "rotator.yaml"
    file.write_bytes(b"\xef\xbb\xbf" + GOOD.encode())
    assert load(file).specs() == load_text(GOOD, "c.yaml").specs()
    assert load(file).name == str(file)


def test_the_shortest_config_is_one_key() -> None:
    """Shows that everything has a default, and that the default is to look only."""
    config = load_text("mode: observe\n", "c.yaml")
    assert (config.specs(), config.rules(), config.sources) == ((), (), ())
    assert config.file.state.url == "/var/lib/rotator/state.db"


def test_sections_with_nothing_in_them_are_empty() -> None:
    """Shows that a heading whose entries are all commented out is no mistake."""
    config = load_text("sources:\nissuers:\nadopt:\ncertificates:\nalerts:\n", "c.yaml")
    assert (config.sources, config.alerters, config.specs()) == ((), (), ())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "it cannot be read: No such file or directory"),
        (b"", "the file is empty; `rotator config init`"),
        (b"# only a comment\n", "the file is empty"),
        (b"- a\n- b\n", "a config is a mapping"),
        (b"\xff\xfe\x00", "it is no UTF-8 text"),
        (b"a: [", "this is no YAML"),
    ],
    ids=["missing", "empty", "comment", "list", "binary", "broken"],
)
def test_a_file_that_is_no_config_is_one_sentence(tmp_path: Path, content: bytes | None, message: str) -> None:
    """Shows that each kind of wrong file is told as what it is, with its name."""
    file = tmp_path / "rotator.yaml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        load(file)
    (problem,) = caught.value.problems
    assert problem.file == str(file)
    assert message in problem.message


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (TOP, "chek_every: 1h", "c.yaml:2:1: chek_every: 'chek_every' is no key here; did you mean 'check_every'?"),
        (TOP, "check_every: 1 hour", "c.yaml:2:14: check_every: '1 hour' is no duration"),
        (TOP, "check_every: 60", "c.yaml:2:14: check_every: 60 has no unit; write it like 60s, 60m, 60h or 60d"),
        (TOP, "check_every: true", "c.yaml:2:14: check_every: it should be a duration like 30s, 15m, 1h30m or 30d"),
        (TOP, "check_every: 5s", "c.yaml:2:14: check_every: it is shorter than shortest_tick (30 s)"),
        (TOP, "shortest_tick: 0s", "c.yaml:2:16: shortest_tick: it should be greater than or equal to 1 second"),
        (TOP, "shortest_tick: 2h", "c.yaml:2:16: shortest_tick: it is longer than check_every (60 min)"),
        (TOP, "first_look: pla", "c.yaml:2:13: first_look: 'pla' is not known here; did you mean 'plan'?"),
        (TOP, "keep_keys: maybe", "c.yaml:2:12: keep_keys: it should be true or false"),
        (TOP, "limits: {at_once: many}", "c.yaml:2:19: limits.at_once: it should be a whole number"),
        (TOP, "limits: 4", "c.yaml:2:9: limits: it should be a mapping"),
        (TOP, "web: {listen: 8080}", "c.yaml:2:15: web.listen: it should be a text; put it in quotes"),
        (TOP, "web: {listen: ['127.0.0.1:8080']}", "c.yaml:2:15: web.listen: it should be a single text, not a list"),
        (TOP, "state: {key: {file: /x}}", "c.yaml:2:14: state.key: it should be a single text, not a mapping"),
        (TOP, "web: {listen: ':8080'}", "c.yaml:2:15: web.listen: it is an address and a port"),
        (TOP, "log: {level: loud}", "c.yaml:2:14: log.level: it should be 'debug', 'info',"),
        (TOP, "state: {key: hunter2}", "c.yaml:2:14: state.key: a secret is written as ${env:NAME}"),
        ("mode: rotate", "mode: rotat", "c.yaml:1:7: mode: 'rotat' is not known here; did you mean 'rotate'?"),
        # entries
        ("here: {shelf:", "here: {shelv:", "'shelv' is no kind of sources here; did you mean 'shelf'?"),
        ("here: {shelf: {place: hall}}", "here: {}", "c.yaml:3:9: sources.here: one key has to be a kind: "),
        ("{shelf: {place: hall}}", "{shelf: {place: a}, boxes: [b]}", "exactly one key is a kind; here are"),
        ("place: hall", "plaec: hall", "sources.here.shelf.plaec: 'plaec' is no key here; did you mean 'place'?"),
        ("{place: hall}", "{}", "c.yaml:3:17: sources.here.shelf: the key 'place' is missing"),
        (
            "{place: hall}",
            "{place: a, nested: {dept: 2}}",
            "shelf.nested.dept: 'dept' is no key here; did you mean 'depth'?",
        ),
        (
            "{place: hall}",
            "{place: a, nested: {depth: 0}}",
            "shelf.nested.depth: it should be greater than or equal to 1",
        ),
        ("{place: hall}", "{place: a, colour: blue}", "shelf.colour: it should be 'red' or 'green'"),
        ("{place: hall}", "{place: a, token: abc}", "shelf.token: a secret is written as ${env:NAME}"),
        ("{shelf: {place: hall}}", "{broken: {}}", "pip install 'rotator-shelf[shelves]'"),
        ("{shelf: {place: hall}}", "[a]", "c.yaml:3:9: sources.here: it should be a mapping"),
        ("here: {", "'two words': {", "c.yaml:3:3: sources.two words: a name here has up to 200"),
        ("{place: safe}}", "{place: safe}, trust: sytem}", "issuers.ca.trust: what clients trust is system, issuer"),
        ("{place: safe}}", "{place: safe}, limits: letsencript}", "issuers.ca.limits: no limits of 'letsencript'"),
        (
            "{place: safe}}",
            "{place: safe}, limits: {domains: 5/7d}}",
            "'domains' is no key here; did you mean 'domain'?",
        ),
        ("{place: safe}}", "{place: safe}, limits: {domain: 5}}", "issuers.ca.limits: domain is a number and a time"),
        (
            "{place: safe}}",
            "{place: safe}, limits: {domain: 0/7d}}",
            "issuers.ca.limits: domain is a number and a time",
        ),
        ("{place: safe}}", "{place: safe}, limits: {domain: 5/8d}}", "the time of domain is between 1s and 7d"),
        (
            "{place: safe}}",
            "{place: safe}, trust: {fil: /x}}",
            "issuers.ca.trust: 'fil' is no key here; did you mean 'file'?",
        ),
        (
            "{place: safe}}",
            "{place: safe}, an_huor: 3}",
            "issuers.ca.an_huor: 'an_huor' is no key here; did you mean 'an_hour'?",
        ),
        ("place: phone}", "place: phone}, at_least: grave", "alerts.ops.at_least: it should be 'info', 'warning',"),
        ("alerts:\n", "alerts:\n  heartbeat: {urls: x}\n", "alerts.heartbeat: the key 'url' is missing"),
        ("alerts:\n  ops: {shelf: {place: phone}}", "alerts: nobody", "alerts: it should be 'none'"),
        # certificates
        ("issuer: ca", "issuer: cb", "certificates[0].issuer: 'cb' is no name of an issuer here; there are ca, other"),
        (
            "issuer: ca",
            "issuer: [ca, oter]",
            "certificates[0].issuer[1]: 'oter' is no name of an issuer here; did you mean 'other'?",
        ),
        ("issuer: ca", "issuer: []", "certificates[0].issuer: it is empty; name at least one"),
        ("issuer: ca", "issuer: [ca, ca]", "certificates[0].issuer: 'ca' stands there twice; name each issuer once"),
        ("[shop.example.com]", "[]", "certificates[0].names: it is empty"),
        ("[shop.example.com]", "[a b]", "certificates[0].names[0]: 'a b' is no DNS name"),
        ("[shop.example.com]", "[exämple.com]", "write xn--exmple-cua.com"),
        ("[shop.example.com]", "[1.5]", "certificates[0].names[0]: a name is a text"),
        ("[{shelf: {place: shop}}]", "[]", "certificates[0].targets: it is empty"),
        (
            "issuer: ca\n",
            "issuer: ca\n    key: rsa-1024\n",
            "certificates[0].key: 'rsa-1024' is no key that is made; there are ecdsa-256",
        ),
        (
            "issuer: ca\n",
            "issuer: ca\n    allow: [weak]\n",
            "certificates[0].allow[0]: 'weak' is nothing that can be allowed",
        ),
        ("issuer: ca\n", "issuer: ca\n    endpoints: ['::1:443']\n", "an IPv6 address stands in brackets"),
        ("issuer: ca\n", "issuer: ca\n    endpoints: [{address: 'a:1', sni: x}]\n", "'sni' is no key here"),
        (
            "issuer: ca\n",
            "issuer: ca\n    windows: [{start: '25:00', length: 1h}]\n",
            "the start of a window is an hour",
        ),
        (
            "issuer: ca\n",
            "issuer: ca\n    windows: [{days: [monday], start: '2:00', length: 1h}]\n",
            "the days of a window are of mon",
        ),
        (
            "issuer: ca\n",
            "issuer: ca\n    windows: [{start: '2:00', length: 30d}]\n",
            "the length of a window is between 1m and 7d",
        ),
        ("issuer: ca\n", "issuer: ca\n    renew_before: -1d\n", "certificates[0].renew_before: '-1d' is no duration"),
        (
            "{place: shop}}",
            "{place: shop}, restart: [checkout]}",
            "targets[0].restart[0]: 'checkout' is no workload; write its kind and name",
        ),
        ("  - name: shop\n", "  - nam: shop\n", "certificates[0]: the key 'name' is missing"),
    ],
)
def test_each_mistake_is_told_where_it_stands(old: str, new: str, expected: str) -> None:
    """Shows for each kind of mistake its place, its sentence and the nearest valid name."""
    assert old in GOOD
    found = mistakes(GOOD.replace(old, new) if old != TOP else GOOD.replace(TOP, f"{TOP}{new}\n"))
    assert any(expected in line for line in found), found


ALL_AT_ONCE = """\
mod: rotate
check_every: soon
sources:
  here: {shelv: {}}
issuers:
  ca: {shelf: {plaec: x}}
adopt:
  - {from: her, match: {}, issuer: cb, stickerz: [a]}
certificates:
  - {name: a, names: [a b], issuer: ca, targets: [{shelf: {place: x}}]}
  - {name: a, names: [a.example.com], issuer: ca, targets: [{shelf: {place: x}}]}
  - {name: a, name: b}
"""


def test_all_mistakes_come_at_once_in_the_order_of_the_file() -> None:
    """Shows that one run tells everything: text, types, plugins, references and duplicates."""
    assert mistakes(ALL_AT_ONCE) == [
        "c.yaml:1:1: mod: 'mod' is no key here; did you mean 'mode'?",
        "c.yaml:2:14: check_every: 'soon' is no duration; write it like 30s, 15m, 1h30m or 30d",
        "c.yaml:4:10: sources.here.shelv: 'shelv' is no kind of sources here; did you mean 'shelf'?",
        "c.yaml:6:15: issuers.ca.shelf: the key 'place' is missing",
        "c.yaml:6:16: issuers.ca.shelf.plaec: 'plaec' is no key here; did you mean 'place'?",
        "c.yaml:8:12: adopt[0].from: 'her' is no name of a source here; did you mean 'here'?",
        "c.yaml:8:36: adopt[0].issuer: 'cb' is no name of an issuer here; there are ca",
        "c.yaml:8:40: adopt[0].stickerz: 'stickerz' is no key here; did you mean 'stickers'?",
        "c.yaml:10:23: certificates[0].names[0]: 'a b' is no DNS name, wildcard (*.example.com), address or URI",
        "c.yaml:11:12: certificates[1].name: 'a' is already the name of certificates[0]",
        "c.yaml:11:61: certificates[1].targets[0]: this place is already certificates[0].targets[0]",
        "c.yaml:12:5: certificates[2]: the keys 'names', 'issuer' and 'targets' are missing",
        "c.yaml:12:12: certificates[2].name: 'a' is already the name of certificates[0]",
        "c.yaml:12:15: certificates[2].name: the key 'name' stands here twice",
    ]


TOGETHER = """\
mode: rotate
due_rule: fixed
shortest_tick: 2h
keep_keys: maybe
issuers:
  public: {acme: {directory: letsencrypt, email: nobody, eab: {}, dns01: {ttl: 0, rfc2136: {}, provider: a}}}
  step: {step_ca: {url: http://x, provisioner: p, fingerprint: ab, encrypted_key: /k, ca_file: /c}}
  web: {acme: {directory: letsencrypt, agree_terms: true}}
certificates:
  - {name: a b, names: ["*.example.com"], issuer: web, key: ed25519, lifetime: 9d, targets: []}
  - {name: b, names: [b.example.com], issuer: web, key: {size: 9}, lifetime: 1m, targets: [{shelf: {place: x}}]}
  - {name: c, names: [c.example.com], issuer: 5, key: {reuse: true}, lifetime: 9d, targets: [{shelf: {place: y}}]}
"""


def test_rules_between_keys_are_told_beside_wrong_keys() -> None:
    """Shows that a wrong value hides no rule that does not look at it: within an entry, and between entries."""
    assert mistakes(TOGETHER) == [
        "c.yaml:3:16: shortest_tick: it is longer than check_every (60 min)",
        "c.yaml:4:12: keep_keys: it should be true or false",
        "c.yaml:6:50: issuers.public.acme.email: 'nobody' is no mail address; write one, like pki@example.com",
        "c.yaml:6:63: issuers.public.acme.eab: the keys 'kid' and 'key' are missing",
        "c.yaml:6:74: issuers.public.acme.dns01: say who writes the records: either provider or rfc2136",
        "c.yaml:6:80: issuers.public.acme.dns01.ttl: it should be greater than or equal to 1",
        "c.yaml:7:19: issuers.step.step_ca: say how a token is signed: either password, which opens the provisioner's "
        "key, or key",
        "c.yaml:7:25: issuers.step.step_ca.url: 'http://x' is no address of a step-ca; write it like "
        "https://ca.example.com:9000",
        "c.yaml:7:64: issuers.step.step_ca.fingerprint: a fingerprint is the SHA-256 of the root: 64 hexadecimal "
        "digits",
        "c.yaml:10:12: certificates[0].name: a name here has up to 200 letters, digits and signs of ._@:/-, and no "
        "spaces",
        "c.yaml:10:25: certificates[0].names[0]: the issuer web would refuse it: *.example.com cannot be proved: "
        "a wildcard cannot be proved over HTTP; configure dns01 for it, or name the hosts one by one",
        "c.yaml:10:61: certificates[0].key: the issuer web would refuse it: public CAs sign rsa and ecdsa keys only",
        "c.yaml:10:80: certificates[0].lifetime: due_rule: fixed (30 days before the end) needs lifetimes of 60 d or "
        "more; use due_rule: lifetime",
        "c.yaml:10:93: certificates[0].targets: it is empty; name at least one",
        "c.yaml:11:57: certificates[1].key: ecdsa 9 is no key that is made; there are rsa of 2048 to 4096 bits, ecdsa "
        "of 256 or 384, and ed25519",
        "c.yaml:11:78: certificates[1].lifetime: b cannot be kept alive: 60 s is under four shortest ticks (8 h)",
        "c.yaml:11:78: certificates[1].lifetime: due_rule: fixed (30 days before the end) needs lifetimes of 60 d or "
        "more; use due_rule: lifetime",
        "c.yaml:12:47: certificates[2].issuer: it should be a list, like [first, second]",
        "c.yaml:12:80: certificates[2].lifetime: due_rule: fixed (30 days before the end) needs lifetimes of 60 d or "
        "more; use due_rule: lifetime",
    ]


def test_a_mistake_of_an_issuer_hides_none_of_its_certificates() -> None:
    """Shows that what is asked of an issuer is asked of the part that could be read; of another part nothing is."""
    text = """\
mode: rotate
issuers:
  web: {acme: {directory: letsencrypt, email: nobody}, trust: 7}
  odd: {acme: {directory: letsencrypt, http01: {listen: x}}}
certificates:
  - {name: a, names: ["*.example.com"], issuer: web, key: ed25519, targets: [{command: {}}]}
  - {name: b, names: [b.example.com], issuer: odd, key: ed25519, targets: [{command: {}}]}
"""
    assert [line.partition(": ")[2] for line in mistakes(text)[-5:]] == [
        "certificates[0].names[0]: the issuer web would refuse it: *.example.com cannot be proved: a wildcard cannot "
        "be proved over HTTP; configure dns01 for it, or name the hosts one by one",
        "certificates[0].key: the issuer web would refuse it: public CAs sign rsa and ecdsa keys only",
        "certificates[0].targets[0].command: the keys 'address', 'snapshot', 'deploy' and 'restore' are missing",
        "certificates[1].key: the issuer odd would refuse it: public CAs sign rsa and ecdsa keys only",
        "certificates[1].targets[0].command: the keys 'address', 'snapshot', 'deploy' and 'restore' are missing",
    ]


def test_a_secret_in_the_file_is_never_repeated() -> None:
    """Shows that what stands where a reference should is in no message, wherever it stands."""
    for place in (
        "token: hunter2",
        "tokens: [hunter2]",
        "named: {a: hunter2}",
        "colour: hunter2secrethunter2secrethunter2secret",
    ):
        text = GOOD.replace("{place: hall}", f"{{place: a, {place}}}")
        assert "hunter2" not in "\n".join(mistakes(text))


def test_two_targets_in_one_place_are_a_mistake_in_any_spelling() -> None:
    """Shows that the same place in another spelling is still the same place, also within one certificate."""
    text = GOOD.replace(
        "[{shelf: {place: shop}}]", "[{shelf: {place: a, settle: 60m}}, {shelf: {settle: 1h, place: a}}]"
    )
    assert "targets[1]: this place is already certificates[0].targets[0]" in mistakes(text)[0]


# ---------------------------------------------------------------- rules between entries


@pytest.mark.parametrize(
    ("rule", "lifetime", "expected"),
    [
        ("fixed", "59d", "due_rule: fixed (30 days before the end) needs lifetimes of 60 d or more"),
        ("fixed", "60d", ""),
        ("lifetime", "59d", ""),
        ("lifetime", "119s", "shop cannot be kept alive: 119 s is under four shortest ticks (2 min)"),
        ("lifetime", "2m", ""),
    ],
)
def test_lifetimes_that_the_rules_cannot_keep(rule: str, lifetime: str, expected: str) -> None:
    """Shows that a lifetime which the due rule or the ticks cannot serve is refused by name."""
    text = with_line(f"    lifetime: {lifetime}", "issuer: ca\n").replace("mode: rotate", f"due_rule: {rule}")
    if expected:
        assert expected in mistakes(text)[0]
    else:
        load_text(text, "c.yaml")


@pytest.mark.parametrize(
    ("ca", "other", "own", "fine"),
    [
        ("", "", "", True),
        ("system", "system", "", True),
        ("system", "{file: /r.pem}", "", False),
        ("{file: /r.pem}", "{file: /r.pem}", "", True),
        ("", "{file: /r.pem}", "", True),
        ("", "{file: /r.pem}", "system", False),
        ("system", "", "{file: /r.pem}", False),
        ("system", "system", "issuer", True),
        ("issuer", "system", "", True),
    ],
)
def test_a_fallback_outside_the_declared_trust_is_a_mistake(ca: str, other: str, own: str, fine: bool) -> None:
    """Shows that an issuer whose chains the clients would not trust cannot be a fallback."""
    text = with_line(f"    trust: {own}", "issuer: ca\n") if own else GOOD
    text = text.replace("issuer: ca", "issuer: [ca, other]")
    text = text.replace("{place: safe}}", f"{{place: safe}}, trust: {ca}}}") if ca else text
    text = text.replace("{place: attic}}", f"{{place: attic}}, trust: {other}}}") if other else text
    if fine:
        load_text(text, "c.yaml")
    else:
        assert "but the clients here trust" in mistakes(text)[0]


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        ("stickers: [a, b]", ""),
        ("settle: 5m", ""),
        ("settle: soon", "adopt[0].settle: 'soon' is no duration"),
        ("settel: 5m", "'settel' is no key here; did you mean 'settle'?"),
        ("reload: [systemctl, reload, nginx]", ""),
    ],
)
def test_what_a_rule_says_beyond_its_own_keys_is_a_targets_setting(extra: str, expected: str) -> None:
    """Shows that settings of targets in a rule are checked against the kinds of targets there are."""
    text = with_line(f"adopt: [{{from: here, match: {{}}, issuer: ca, {extra}}}]")
    if expected:
        assert expected in mistakes(text)[0]
    else:
        assert load_text(text, "c.yaml").rules()[0].target_settings


# ---------------------------------------------------------------- anything at all

EXAMPLE = (Path(__file__).parents[2] / "config.example.yaml").read_text(encoding="utf-8").splitlines()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
@given(st.data())
def test_a_mangled_config_loads_or_is_a_config_error(data: st.DataObject) -> None:
    """Shows that lines lost, doubled, swapped or replaced raise nothing but ConfigError with places in the file."""
    lines = [line for line in EXAMPLE if not line.lstrip().startswith("#")]
    for _ in range(data.draw(st.integers(1, 4))):
        index = data.draw(st.integers(0, len(lines) - 1))
        other = data.draw(st.integers(0, len(lines) - 1))
        edit = data.draw(st.sampled_from(["drop", "double", "swap", "null", "list", "number", "map"]))
        key = lines[index].partition(":")[0]
        replaced = {"null": f"{key}:", "list": f"{key}: [a]", "number": f"{key}: 5", "map": f"{key}: {{a: {{b: c}}}}"}
        if edit == "drop" and len(lines) > 1:
            del lines[index]
        elif edit == "double":
            lines.insert(other, lines[index])
        elif edit == "swap":
            lines[index], lines[other] = lines[other], lines[index]
        else:
            lines[index] = replaced.get(edit, lines[index])
    try:
        config = load_text("\n".join(lines), "c.yaml")
    except ConfigError as error:
        assert error.problems
        assert all(1 <= problem.line <= len(lines) + 1 for problem in error.problems)
    else:
        assert isinstance(config, Config)
        config.specs()
        config.rules()


def test_a_state_that_is_kept_nowhere_is_a_mistake() -> None:
    """A database that this version does not speak to is said by `config check`, not when the daemon starts."""
    with pytest.raises(ConfigError, match=r"c\.yaml:1:14: state\.url: .*SQLite; write a path"):
        load_text('state: {url: "postgres://db/rotator"}\n', "c.yaml")
    load_text('state: {url: "sqlite:////var/lib/rotator/state.db"}\n', "c.yaml")


def test_a_key_without_a_value_is_shown_where_it_stands() -> None:
    """Of `mode:` with nothing behind it the line of the key is told, not the next one."""
    with pytest.raises(ConfigError, match=r"c\.yaml:2:1: mode: it should be"):
        load_text("# first\nmode:\nstate: /x/state.db\n", "c.yaml")
