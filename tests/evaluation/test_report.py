"""What stands in the report's file, read without a browser."""

import copy
import hashlib
import re
from base64 import b64encode
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from comparisons import METRICS, comparison, inspection, sparse_comparison
from seqdistill.errors import SeqDistillError
from seqdistill.evaluation.report import render_report
from seqdistill.readable import printable

HOSTILE = "<script>alert(1)</script>"


class Page(HTMLParser):
    """A page as its tags with the names of their attributes, and its text.

    Attributes:
        structure: every start tag, with its attributes' names.
        texts: what stands between tags, one entry for each element that holds text.
        values: attributes' values.
    """

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.structure: list[tuple[str, ...]] = []
        self.texts: list[str] = []
        self.values: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.structure.append((tag, *(name for name, _ in attrs)))
        self.values += [value or "" for _, value in attrs]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)

    def handle_data(self, data: str) -> None:
        self.texts.append(data.strip(" "))


def small() -> dict[str, Any]:
    """A row of every group, and everything else there is."""
    document = comparison()
    groups: dict[str, dict[str, Any]] = {}
    for row in document["rows"]:
        groups.setdefault(row["group"], row)
    rows = [*groups.values(), next(row for row in document["rows"] if row["key"] == "distilled/fresh")]
    return {**document, "rows": rows, "curves": document["curves"][:2]}


def filled(text: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """A comparison and an inspection with a text wherever one from a log, a user or a machine may stand."""
    document = small()
    document["dataset"]["name"] = document["command"] = document["machine"] = text
    document["verdict"] = [text, text]
    document["versions"] = {text: text}
    document["config"] = {text: [text]}
    document["protocol"] |= {"ties": text, "split": text, "ranking": text, "another": text}
    for row in document["rows"]:
        row["name"] = row["learner"] = text
    document["breakdown"]["history_length"][0]["label"] = text
    document["curves"][1]["label"] = text
    document["costs"]["precisions"][0]["item_factor"] = text
    summary = inspection()
    for item in _items(summary):
        item["item"] = item["title"] = text
    return document, summary


def _items(value: object) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        inside: dict[str, Any] = value
        if "mass" in inside:
            yield inside
        for inner in inside.values():
            yield from _items(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _items(inner)


STRUCTURE = Page(render_report(*filled("plain"))).structure


@settings(max_examples=30, deadline=None)
@given(text=st.text(min_size=1, max_size=40))
@example(HOSTILE)
@example('" onmouseover="alert(1)')
@example("' autofocus onfocus='alert(1)")
@example("</title></style></script><img src=x onerror=alert(1)>")
@example("]]><!--")
@example("{{ 7 * 7 }}{% raw %}")
@example("javascript:alert(1)")
@example("&lt;b&gt;&#60;")
@example("\x00\x1b[31m\u202eabc\ud800\ufffe")
def test_no_text_changes_the_structure_of_the_page(text: str) -> None:
    page = Page(render_report(*filled(text)))
    assert page.structure == STRUCTURE
    shown = printable(text)
    # Names of rows stand alone in a cell; the title of the page has words after it.
    assert page.texts.count(shown.strip(" ")) >= 8
    assert f"{shown}, distilled".strip(" ") in page.texts


def test_a_jinja_expression_in_a_title_is_not_evaluated() -> None:
    html = render_report(small(), inspection(("{{ 7 * 7 }}",)))
    assert "{{ 7 * 7 }}" in html
    assert ">49" not in html


def test_the_policy_allows_the_files_own_style_and_script_and_nothing_else() -> None:
    html = render_report(comparison())
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]+)"', html)
    assert policy is not None
    parts = dict(part.split(" ", 1) for part in policy[1].split("; "))
    assert parts.pop("default-src") == "'none'"
    for tag, directive in (("style", "style-src"), ("script", "script-src")):
        (content,) = re.findall(rf"<{tag}>(.*?)</{tag}>", html, re.DOTALL)
        digest = b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert parts.pop(directive) == f"'sha256-{digest}'"
    assert set(parts.values()) == {"'none'"}
    assert not re.search(r"\b(src|href)=\"(?!#)", html)
    assert "url(" not in html
    assert "@import" not in html


def test_figures_are_those_of_the_comparison() -> None:
    document = comparison()
    texts = Page(render_report(document)).texts
    full = document["rows"][0]["metrics"]["ndcg@10"]["mean"]
    distilled = next(row for row in document["rows"] if row["key"] == "distilled/shared")
    difference = distilled["difference"]["ndcg@10"]
    low, high = (100 * (full + difference[end]) / full for end in ("low", "high"))
    assert "96.8%" in texts
    assert f"{low:.1f} to {high:.1f}" in texts
    assert f".{round(1e4 * distilled['metrics']['ndcg@10']['mean']):04}" in texts
    assert document["verdict"][0] in texts
    assert document["command"] in texts
    assert "> 1,200" in texts  # more than the largest size that was measured
    assert "never" in texts


def test_the_users_that_sequences_resemble_are_not_named() -> None:
    html = render_report(comparison(), inspection())
    assert "6 of its 8 items (75%) are in the nearest real history" in html
    assert "Sequence 1 copies 6 items in a row" in html
    assert "u17" not in html


def test_a_comparison_that_left_things_out_has_no_empty_sections() -> None:
    html = render_report(sparse_comparison())
    assert "None" not in html
    assert "nan" not in html.replace("finance", "")
    for section in ("sequences-needed", "training-time", "where", "says"):
        assert f'id="{section}"' not in html
    assert 'id="scoreboard"' in html


def test_numbers_that_are_not_finite_count_as_missing() -> None:
    document = small()
    row = document["rows"][-1]
    row["bytes"], row["seconds_train"] = float("inf"), float("nan")
    row["percent_of_full"]["ndcg@10"] = float("nan")
    row["difference"]["ndcg@10"]["high"] = float("inf")
    html = render_report(document)
    assert not re.search(r"[>\" ,](nan|inf|-inf)[<\" ,]", html)


def _paths(value: object, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _paths(inner, (*path, key))
    elif isinstance(value, list) and value:
        for place in {0, len(value) - 1}:
            yield from _paths(value[place], (*path, place))


def _without(document: dict[str, Any], path: tuple[Any, ...]) -> dict[str, Any]:
    changed = copy.deepcopy(document)
    holder = changed
    for key in path[:-1]:
        holder = holder[key]
    holder[path[-1]] = None
    return changed


def _with_one_metric(value: object) -> Any:  # noqa: ANN401 - JSON in, JSON out
    if isinstance(value, list):
        return [_with_one_metric(inner) for inner in value]
    if not isinstance(value, dict):
        return value
    others = set(METRICS) - {"ndcg@10"}
    return {key: _with_one_metric(inner) for key, inner in value.items() if key not in others}


def test_anything_may_be_null_but_what_names_a_row() -> None:
    document = _with_one_metric(small())
    document["rows"] = [document["rows"][0], document["rows"][-1]]
    document |= {"config": {}, "metrics": ["ndcg@10"], "versions": {}}
    refused: set[str] = set()
    for path in _paths(document):
        try:
            html = render_report(_without(document, path))
        except SeqDistillError:
            refused.add(".".join("[]" if isinstance(key, int) else str(key) for key in path))
        else:
            assert html.endswith("</html>")
    named = {path for path in refused if not path.endswith("[]")}
    assert named == {"format", "format_version", "rows.[].key", "rows.[].name", "rows.[].group"}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"format": "seqdistill/summary"}, "no comparison"),
        ({"format_version": 2}, "reads 1"),
        ({"rows": [{"key": "a", "name": "a", "group": "hard", "metrics": {"ndcg@10": {"mean": "high"}}}]}, "rows.0"),
    ],
)
def test_what_is_no_comparison_is_refused_in_one_line(change: dict[str, Any], said: str) -> None:
    with pytest.raises(SeqDistillError, match=said) as caught:
        render_report({**comparison(), **change})
    assert "\n" not in str(caught.value)


def test_rendering_again_gives_the_same_file() -> None:
    assert render_report(comparison(), inspection()) == render_report(comparison(), inspection())
