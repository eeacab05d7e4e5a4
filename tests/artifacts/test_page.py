"""The figures in docs/artifacts.md are those of the kept results."""

from tools.tried import PAGE, fill


def test_the_page_shows_what_is_kept() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert fill(page) == page
    assert "| manifest | 100,000 |" in page
