from tools.example_report import PAGE, page


def test_the_example_in_the_documentation_is_what_the_report_looks_like_now() -> None:
    assert PAGE.read_text(encoding="utf-8") == page()
