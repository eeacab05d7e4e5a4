"""The figures in the documentation are those of the kept results."""

from tools.tried import BLOCK, PAGES, SHOWN, fill


def test_the_pages_show_what_is_kept() -> None:
    pages = [page.read_text(encoding="utf-8") for page in PAGES]
    assert [fill(page) for page in pages] == pages
    assert sorted(found["name"] for page in pages for found in BLOCK.finditer(page)) == sorted(SHOWN)
    assert "| manifest | 100,000 |" in pages[0]
