"""The report as a browser shows it: Debian's chromium, or the one that SEQDISTILL_CHROMIUM names."""

import os
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import pytest

from comparisons import comparison, inspection, sparse_comparison
from seqdistill.evaluation.report import render_report

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
from playwright.sync_api import Browser, BrowserContext, Locator, Page, sync_playwright  # noqa: E402

CHROMIUM = next(filter(None, map(shutil.which, (os.environ.get("SEQDISTILL_CHROMIUM", ""), "chromium"))), None)
NEEDS_CHROMIUM = "no chromium here; apt install chromium, or name one in SEQDISTILL_CHROMIUM"

PHONE = {"width": 360, "height": 740}
DESK = {"width": 1280, "height": 900}
HOSTILE = (
    "<script>alert(1)</script>",
    '" onmouseover="alert(1)',
    "'><img src=x onerror=alert(1)>",
    "javascript:alert(1)",
    "</title></style></svg><svg onload=alert(1)>",
)

CONTRASTS = """() => {
  const parse = (colour) => {
    const [r, g, b, a = 1] = colour.match(/[\\d.]+/g).map(Number);
    return { rgb: [r, g, b], a };
  };
  const luminance = (rgb) => {
    const [r, g, b] = rgb.map((c) => c / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const background = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const { rgb, a } = parse(getComputedStyle(at).backgroundColor);
      if (a === 1) return rgb;
    }
    return parse(getComputedStyle(document.documentElement).backgroundColor).rgb;
  };
  const ratio = (one, other) => {
    const [light, dark] = [luminance(one), luminance(other)].sort((a, b) => b - a);
    return (light + 0.05) / (dark + 0.05);
  };
  const found = [];
  const own = (element) => [...element.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
  for (const element of document.querySelectorAll("body *")) {
    if (!element.checkVisibility({ visibilityProperty: true })) continue;
    const style = getComputedStyle(element);
    const inSvg = element instanceof SVGElement;
    if (own(element) && element.localName !== "title" && element.localName !== "desc" && element.localName !== "script")
      found.push(["text", ratio(parse(inSvg ? style.fill : style.color).rgb, background(element))]);
    if (inSvg && element.classList.contains("mark"))
      found.push(["mark", ratio(parse(style.stroke).rgb, background(element))]);
  }
  return found;
}"""


@pytest.fixture(scope="module")
def browser() -> Generator[Browser]:
    if CHROMIUM is None:
        pytest.skip(NEEDS_CHROMIUM)
    with sync_playwright() as started:
        # The sandbox cannot start as root, where continuous integration runs; the page is our own.
        launched = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("report") / "report.html", comparison(), inspection(HOSTILE[:1]))


def write(path: Path, document: dict[str, Any], summary: dict[str, Any] | None = None) -> Path:
    path.write_text(render_report(document, summary), encoding="utf-8")
    return path


@contextmanager
def opened(
    browser: Browser,
    path: Path,
    *,
    size: dict[str, int] = DESK,
    scheme: Literal["light", "dark"] = "light",
    script: bool = True,
) -> Generator[Page]:
    """The page, which must neither say a word nor ask for anything while it is open."""
    viewport: Any = size
    context: BrowserContext = browser.new_context(viewport=viewport, color_scheme=scheme, java_script_enabled=script)
    said: list[str] = []
    asked: list[str] = []
    page = context.new_page()
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("dialog", lambda dialog: (said.append(dialog.message), dialog.dismiss())[1])
    page.goto(path.as_uri())
    try:
        yield page
        assert said == []
        assert asked == [path.as_uri()]
        assert len(context.pages) == 1
    finally:
        context.close()


def rows_of(table: Locator) -> list[list[str | None]]:
    """For each row that is not a heading, what its cells are sorted by, or None where they are empty."""
    return table.evaluate("""(table) => [...table.querySelectorAll("tbody tr:not(.group)")].map((row) =>
        [...row.cells].map((cell) => cell.dataset.sort ?? (cell.textContent.trim() || null)))""")


def test_nothing_is_requested_and_nothing_goes_wrong(browser: Browser, report: Path, tmp_path: Path) -> None:
    for path in (report, write(tmp_path / "sparse.html", sparse_comparison())):
        with opened(browser, path) as page:
            assert page.locator("html").get_attribute("lang") == "en"
            assert page.evaluate("performance.getEntriesByType('resource').length") == 0
            for landmark in ("banner", "main", "navigation"):
                assert page.get_by_role(landmark).count() == 1  # type: ignore[arg-type]
            assert page.get_by_role("heading", level=1).count() == 1
            for link in page.get_by_role("navigation").get_by_role("link").all():
                assert page.locator(link.get_attribute("href") or "").count() == 1
            assert page.evaluate("new Set([...document.querySelectorAll('[id]')].map((e) => e.id)).size") == (
                page.locator("[id]").count()
            )


def test_the_policy_stops_what_is_not_the_files_own(browser: Browser, report: Path, tmp_path: Path) -> None:
    html = report.read_text(encoding="utf-8")
    injected = tmp_path / "injected.html"
    smuggled = "<img src='http://127.0.0.1:9/'><script>document.title = 'broken'</script>"
    injected.write_text(html.replace("</main>", f"{smuggled}</main>"), encoding="utf-8")
    page = browser.new_page()
    stopped: list[str | None] = []
    page.on("requestfailed", lambda request: stopped.append(request.failure))
    page.goto(injected.as_uri())
    assert page.title() != "broken"
    assert stopped == ["csp"]
    page.close()


@pytest.mark.parametrize("header", ["NDCG@10", "% of full", "Sequences", "Bytes", "Training"])
def test_numbers_sort_by_click(browser: Browser, report: Path, header: str) -> None:
    with opened(browser, report) as page:
        table = page.locator("#scoreboard")
        original = rows_of(table)
        head = table.locator("thead th").filter(has_text=header).first
        column = head.evaluate("(cell) => cell.cellIndex")
        button = head.get_by_role("button")
        for direction, largest_first in (("descending", True), ("ascending", False)):
            button.click()
            assert head.get_attribute("aria-sort") == direction
            assert table.locator("th[aria-sort=none]").count() == table.locator("thead th").count() - 1
            rows = rows_of(table)
            assert sorted(rows, key=str) == sorted(original, key=str)
            values = [row[column] for row in rows]
            known = [float(value) for value in values if value is not None]
            assert known == sorted(known, reverse=largest_first)
            assert values == [*values[: len(known)], *[None] * (len(values) - len(known))]
            assert len(set(known)) > 1
            assert direction in (page.get_by_role("status").text_content() or "")
        button.click()
        assert head.get_attribute("aria-sort") == "none"
        assert rows_of(table) == original
        assert table.locator("tr.group").count() == 5


def test_words_sort_by_keyboard(browser: Browser, report: Path) -> None:
    with opened(browser, report) as page:
        table = page.locator("#scoreboard")
        buttons = table.locator("thead button")
        buttons.nth(0).focus()
        page.keyboard.press("Tab")
        assert buttons.nth(1).evaluate("(button) => button === document.activeElement")
        page.keyboard.press("Shift+Tab")
        page.keyboard.press("Enter")
        assert table.locator("thead th").nth(0).get_attribute("aria-sort") == "ascending"
        names = [str(row[0]) for row in rows_of(table)]
        in_order = "(names) => [...names].sort((a, b) => a.localeCompare(b, 'en', {numeric: true}))"
        assert names == page.evaluate(in_order, names)
        page.keyboard.press("Space")
        assert table.locator("thead th").nth(0).get_attribute("aria-sort") == "descending"
        names = [str(row[0]) for row in rows_of(table)]
        assert names[::-1] == page.evaluate(in_order, names[::-1])


def test_every_plot_is_there_with_what_stands_for_it(browser: Browser, report: Path) -> None:
    with opened(browser, report) as page:
        figures = page.locator("figure")
        assert figures.count() == 7
        for figure in figures.all():
            title = figure.locator("figcaption").text_content() or ""
            drawing = figure.get_by_role("img", name=title)
            assert drawing.count() == 1
            box = drawing.bounding_box()
            assert box is not None
            assert box["width"] > 300
            assert box["height"] > 150
            described = drawing.get_attribute("aria-describedby")
            assert len(page.locator(f"#{described}").text_content() or "") > 40
            assert figure.locator("table").count() == 1
            assert not figure.locator("table").is_visible()
            figure.locator("summary").click()
            assert figure.locator("table").is_visible()
        marks = page.locator("#percent svg.wide > .mark")
        assert marks.count() == page.locator("#percent-data tbody tr").count() == len(comparison()["rows"])


def test_what_a_log_says_is_text_wherever_it_stands(browser: Browser, tmp_path: Path) -> None:
    for number, text in enumerate(HOSTILE):
        document = comparison(text)
        document["command"] = document["machine"] = text
        document["verdict"] = [text, text]
        for row in document["rows"]:
            row["name"] = row["learner"] = text
        document["breakdown"]["popularity"][0]["label"] = document["curves"][0]["label"] = text
        summary = inspection((text,))
        summary["examples"][1][0]["reads"][0] = {"item": text, "mass": 0.5}
        with opened(browser, write(tmp_path / f"{number}.html", document, summary)) as page:
            assert page.title() == f"{text}, distilled"
            assert page.locator("h1").inner_text() == f"{text}, distilled"
            assert page.locator("script").count() == 1
            assert page.locator("img, image, iframe, object, [onmouseover], [onerror], [onload]").count() == 0
            assert page.locator(".verdict").inner_text() == text
            assert page.locator("pre.command").inner_text() == text
            first = page.locator("#sequence-1 tbody tr").first.locator("td bdi").first
            assert first.inner_text() == f"{text} .80"
            page.locator("#scoreboard tbody th bdi").nth(1).hover()
            page.locator("#percent svg.wide .mark").first.hover()


def test_no_page_scrolls_sideways_on_a_phone(browser: Browser, tmp_path: Path) -> None:
    document = comparison("a-name-without-any-blank-" * 8)
    document["command"] += " --set " + "x" * 300
    document["verdict"][0] = "w" * 200
    document["rows"][3]["name"] = "n" * 200
    path = write(tmp_path / "long.html", document, inspection(("t" * 150, "Short")))
    with opened(browser, path, size=PHONE) as page:
        page.locator("details").evaluate_all("(all) => all.forEach((one) => (one.open = true))")
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        assert page.locator("figure svg.narrow").first.is_visible()
        assert not page.locator("figure svg.wide").first.is_visible()
        wide = page.locator(".scroll").filter(has=page.locator("#scoreboard"))
        assert wide.evaluate("(box) => box.scrollWidth > box.clientWidth")
        # The names stay where they are while the figures move, and so does the header.
        name = page.locator("#scoreboard tbody tr:not(.group) th").first
        before = name.bounding_box()
        wide.evaluate("(box) => (box.scrollLeft = 150)")
        after = name.bounding_box()
        assert before is not None
        assert after is not None
        assert after["x"] == before["x"]
        head = page.locator("#scoreboard thead th").nth(3)
        wide.evaluate("(box) => (box.scrollTop = 300)")
        box, frame = head.bounding_box(), wide.bounding_box()
        assert box is not None
        assert frame is not None
        assert abs(box["y"] - frame["y"]) < 2


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_and_marks_stand_out_in_either_scheme(
    browser: Browser, report: Path, scheme: Literal["light", "dark"]
) -> None:
    with opened(browser, report, scheme=scheme) as page:
        page.locator("details").evaluate_all("(all) => all.forEach((one) => (one.open = true))")
        contrasts = page.evaluate(CONTRASTS)
        assert min(ratio for kind, ratio in contrasts if kind == "text") >= 4.5
        assert min(ratio for kind, ratio in contrasts if kind == "mark") >= 3
        paper = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
        assert (sum(map(int, paper.removeprefix("rgb(").rstrip(")").split(","))) > 384) == (scheme == "light")


def test_print_shows_every_table_and_plot_whole(browser: Browser, report: Path) -> None:
    with opened(browser, report) as page:
        page.emulate_media(media="print")
        tables = page.locator("table")
        assert tables.count() > 15
        for table in tables.all():
            box = table.bounding_box()
            assert box is not None
            assert box["height"] > 20
            assert table.evaluate("(table) => table.checkVisibility()")
        assert page.locator(".scroll").evaluate_all(
            "(all) => all.every((one) => one.scrollHeight <= one.clientHeight + 1)"
        )
        assert not page.get_by_role("navigation").is_visible()
        assert page.pdf(prefer_css_page_size=True).startswith(b"%PDF")


def test_everything_can_be_read_without_script(browser: Browser, report: Path) -> None:
    with opened(browser, report, script=False) as page:
        assert page.get_by_role("button").count() == 0
        assert page.locator("#scoreboard").get_by_text("first-order Markov chain").is_visible()
        page.locator("#percent summary").click()
        assert page.locator("#percent-data").is_visible()
