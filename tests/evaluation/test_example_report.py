from studies.book import Book
from studies.keeping import RESULTS, ROOT
from studies.page import EXAMPLE, reports


def test_the_example_in_the_documentation_is_what_the_report_looks_like_now() -> None:
    assert (ROOT / EXAMPLE).read_text(encoding="utf-8") == reports(Book.open(RESULTS))[EXAMPLE]
