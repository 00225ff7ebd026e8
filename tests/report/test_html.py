"""The page of a scan: whole, safe, and in a real browser as it should be."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

from rotator.core.audit import Audit
from rotator.report import html
from rotator.report.timeline import timeline
from tests.builders import DAY, chain
from tests.report.audits import EXPIRED, RULES, audit, empty, file, hostile, large, line, ordinary, saying
from tests.report.browser import Page, browser
from tests.servers.run import need


class Reader(HTMLParser):
    """Every tag with its attributes, and the text outside style and script."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = tag

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside not in {"style", "script"}:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


@pytest.mark.parametrize("make", [ordinary, empty, hostile])
def test_it_loads_nothing(make: Callable[[], Audit]) -> None:
    """No address leads out of the page but its own anchors, no attribute has code or style in it."""
    page = Reader(html.audit(make(), RULES))
    for tag, attributes in page.tags:
        assert tag not in {"img", "iframe", "object", "embed", "base"}
        for name, value in attributes.items():
            assert not name.startswith("on")
            assert name != "style"
            if name in {"href", "src", "action"}:
                assert (value or "").startswith("#") or value == "data:,"
    assert [tag for tag, _ in page.tags].count("script") == 1


def test_names_are_text() -> None:
    """Markup in a name is shown, not made; control signs and turned text are escapes."""
    made = html.audit(hostile(), RULES)
    made.encode()
    assert "<img" not in made
    assert made.count("</script>") == 1
    assert all(sign.isprintable() or sign == "\n" for sign in made)
    assert "</script><img src=x onerror=alert(1)>" in "".join(Reader(made).words)
    assert len(made) < 100_000, "a name of a megabyte is not shown whole"


def test_what_a_manager_reads() -> None:
    """One sentence and the tiles say how it stands."""
    text = Reader(html.audit(ordinary(), RULES)).text
    assert "5 certificates in 46 places. 1 has expired; 1 more ends within 30 days." in text
    assert "1 of the places are in rotator's care; the others are somebody's work." in text
    assert "46 places 5 certificates 1 critical 2 errors 0 warnings 40 info 1 not looked at 1 excused" in text


def test_a_rule_is_explained_with_its_places() -> None:
    """Findings are told rule by rule, with cause and remedy; code in a remedy is marked as such."""
    made = html.audit(ordinary(), RULES)
    text = Reader(made).text
    assert text.count(EXPIRED.cause) == 1
    assert "<code>rotator rotate NAME --force</code>" in made
    assert "www.example.com:443 at 192.0.2.10 and 39 more : it stands for *.example.com" in text
    assert "down.example.com:443 at 192.0.2.9 : refused: connection refused" in text
    assert "replaced in May" in text


def test_every_link_has_its_anchor() -> None:
    """Tiles, navigation and badges lead somewhere."""
    for make in (ordinary, empty):
        page = Reader(html.audit(make(), RULES))
        ids = {attributes["id"] for _, attributes in page.tags if "id" in attributes}
        links = {attributes["href"] for tag, attributes in page.tags if tag == "a"}
        assert {f"#{each}" for each in ids} >= links


def test_the_picture_counts_every_certificate_once() -> None:
    """A certificate at forty places is one in the picture; what has ended is before today, what is far is "later"."""
    picture = timeline(ordinary())
    assert sum(column.number for column in picture.columns) == 5
    assert picture.columns[0].label == "ended"
    assert picture.columns[0].counts == {"critical": 1}
    assert picture.columns[1].title == "week from 2026-03-02: 1 certificate (1 error)"
    assert picture.columns[-1].month == "later"
    assert picture.today == picture.columns[1].x
    assert [lane.service for lane in picture.lanes][:2] == ["web1:/etc/ssl", "mail.example.com"]


def test_columns_stay_in_the_picture() -> None:
    """Beside thousands a single one is seen, and nothing is higher than the picture."""
    few = file("/srv/a.pem", chain(left=3 * DAY))
    picture = timeline(audit(*large(3000).lines, line(few, saying(EXPIRED, few, "it ended"))))
    for column in picture.columns:
        assert all(segment.height >= 3 and segment.y >= 0 for segment in column.segments)
        assert sum(segment.height for segment in column.segments) <= 150 + 3 * len(column.segments)
    assert len(picture.lanes) == 15


def test_an_empty_audit_is_a_page() -> None:
    """Nothing found is said, too."""
    text = Reader(html.audit(empty(), RULES)).text
    assert "Nothing was looked at." in text
    assert "There is no certificate." in text


# ---------------------------------------------------------------- in a browser


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    """A real browser."""
    with browser(need("chromium")) as one:
        yield one


@pytest.fixture
def shown(page: Page, tmp_path: Path) -> Callable[[Audit], Page]:
    """Show an audit, as wide as a desk's screen."""

    def show(one: Audit) -> Page:
        page.complaints.clear()
        page.requests.clear()
        page.prefers("light")
        page.width(1280)
        path = tmp_path / "scan.html"
        path.write_text(html.audit(one, RULES), encoding="utf-8")
        page.open(path)
        return page

    return show


def visible_rows(page: Page) -> int:
    number = page.run('document.querySelectorAll("#table tbody tr:not([hidden])").length')
    assert isinstance(number, int)
    return number


@pytest.mark.server
@pytest.mark.parametrize("make", [ordinary, empty, hostile])
def test_the_browser_has_nothing_to_complain_of(shown: Callable[[Audit], Page], make: Callable[[], Audit]) -> None:
    """No error, no breach of the page's own policy, no request beyond the page, no script of a stranger."""
    page = shown(make())
    assert page.complaints == []
    assert len(page.requests) == 1
    assert page.run("document.scripts.length") == 1
    assert page.run("document.images.length") == 0


@pytest.mark.server
def test_the_policy_holds(shown: Callable[[Audit], Page]) -> None:
    """Were markup to slip through, the browser would refuse to run it."""
    page = shown(ordinary())
    page.run("document.body.insertAdjacentHTML('beforeend', '<b onclick=\"document.title=1\">x</b>')")
    page.run("document.body.lastElementChild.click()")
    assert page.run("document.title").startswith("Certificate audit")
    assert any("Content Security Policy" in each for each in page.complaints)


@pytest.mark.server
def test_filter_and_sort(shown: Callable[[Audit], Page]) -> None:
    """Typing filters the rows, the choice filters by severity, headings sort both ways."""
    page = shown(ordinary())
    assert visible_rows(page) == 46
    page.run('document.getElementById("words").focus()')
    page.type("front-tls payments")
    page.run("new Promise(done => setTimeout(done, 50))")
    assert visible_rows(page) == 1
    assert page.run('document.getElementById("shown").textContent') == "1 of 46 places"
    page.run('words.value = ""; words.dispatchEvent(new Event("input"))')
    page.run('least.value = "3"; least.dispatchEvent(new Event("change"))')
    assert visible_rows(page) == 3
    page.run('least.value = "0"; least.dispatchEvent(new Event("change"))')
    press = 'document.querySelector("#table th:nth-child(6) button").click()'
    first = 'document.querySelector("#table tbody tr").dataset.rank'
    page.run(press)
    assert page.run(first) == "0"
    page.run(press)
    assert page.run(first) == "4"
    assert page.run('document.querySelector("#table th:nth-child(6)").getAttribute("aria-sort")') == "descending"
    assert page.complaints == []


@pytest.mark.server
def test_without_script_it_reads(shown: Callable[[Audit], Page]) -> None:
    """Where scripts are off, every row is there, and nothing that would not work."""
    page = shown(ordinary())
    page.command("Emulation.setScriptExecutionDisabled", value=True)
    try:
        page.command("Page.reload")
        page.wait("Page.loadEventFired")
        assert visible_rows(page) == 46
        assert page.run('getComputedStyle(document.getElementById("filter")).display') == "none"
        assert page.run('document.querySelectorAll("#table button").length') == 0
    finally:
        page.command("Emulation.setScriptExecutionDisabled", value=False)


@pytest.mark.server
@pytest.mark.parametrize("make", [ordinary, hostile])
def test_a_phone_needs_no_scrolling_aside(shown: Callable[[Audit], Page], make: Callable[[], Audit]) -> None:
    """On a narrow screen nothing is wider than the screen."""
    page = shown(make())
    page.width(360, 800)
    assert page.run("document.documentElement.scrollWidth") == 360
    assert page.run('document.querySelector("#table").getBoundingClientRect().right <= 360') is True


@pytest.mark.server
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_can_be_read(shown: Callable[[Audit], Page], scheme: str) -> None:
    """Every colour of text has the contrast of WCAG 2.2 AA (4.5) on what it stands on, in light and in dark."""
    page = shown(ordinary())
    page.prefers(scheme)
    colours = page.run(
        "Object.fromEntries(['card','page','ink','dim','link','critical','error','warning','info','fine','unseen']"
        ".map(name => [name, getComputedStyle(document.documentElement).getPropertyValue('--' + name).trim()]))"
    )
    ground = {name: luminance(colours.pop(name)) for name in ("card", "page")}
    for name, colour in colours.items():
        for under in ground.values():
            lighter, darker = sorted((luminance(colour), under), reverse=True)
            assert (lighter + 0.05) / (darker + 0.05) >= 4.5, name


def luminance(colour: str) -> float:
    """Of a colour in hex (WCAG 2.2)."""
    digits = colour.removeprefix("#")
    digits = "".join(2 * each for each in digits) if len(digits) == 3 else digits
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.server
def test_it_prints_what_is_folded(shown: Callable[[Audit], Page]) -> None:
    """On paper every list is open and nothing is there to press."""
    many = [file(f"/srv/{number}.pem", chain(left=-DAY, label=str(number))) for number in range(20)]
    page = shown(audit(*(line(where, saying(EXPIRED, where, "it ended")) for where in many)))
    assert page.run('document.querySelector("#found details").open') is False
    page.prefers("light", "print")
    try:
        assert page.run('getComputedStyle(document.getElementById("filter")).display') == "none"
        assert page.run('document.querySelector("#found .where li").getBoundingClientRect().height > 0') is True
    finally:
        page.prefers("light")
    assert page.pdf().startswith(b"%PDF")


@pytest.mark.server
def test_thousands_of_rows_stay_usable(shown: Callable[[Audit], Page]) -> None:
    """Filtering thousands of rows takes no longer than a person waits."""
    page = shown(large(4000))
    took = page.run(
        "(() => { const began = performance.now(); least.value = '3'; least.dispatchEvent(new Event('change'));"
        " document.body.offsetHeight; return performance.now() - began })()"
    )
    assert visible_rows(page) == 400
    assert took < 2000


def test_a_large_page_is_no_heavier_than_its_rows() -> None:
    """A row takes some hundred bytes, not more with each further one."""
    one, many = (len(html.audit(large(number), RULES)) for number in (500, 2000))
    assert many / one < 4.2
    assert many / 2000 < 600
