import base64
import gzip
import hashlib
import io
import re
import socket
import threading
import zipfile
from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from logs import sequences
from seqdistill.data import NAMED_DATASETS, NamedDataset, load_dataset
from seqdistill.data.fetch import FileDownload, Source, WheelDownload, ZipDownload, cache_folder, cached, fetch
from seqdistill.data.named import suggest_names
from seqdistill.errors import SeqDistillError

HEADER = b"user_id:token\titem_id:token\n"
BODY = b"1\t10\n1\t11\n2\t10\n"
WHEEL = WheelDownload("toylog==1.0", "toylog/toy.inter")


def archive(member: str, content: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr(member, content)
    return buffer.getvalue()


def toy(*sources: Source) -> NamedDataset:
    return NamedDataset(
        name="toy",
        title="A toy",
        interactions=3,
        users=2,
        items=2,
        licence="Toys may be played with.",
        address="https://toys.example/log",
        owner_file="toy.data",
        header=HEADER,
        file_name="toy.inter",
        sha256=hashlib.sha256(BODY).hexdigest(),
        sources=sources,
    )


class Owner:
    """A web server that gives what `pages` holds, all but the last bytes, and remembers what it was asked for."""

    def __init__(self) -> None:
        self.pages: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.missing = 0
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                owner.asked.append(self.path)
                page = owner.pages.get(self.path)
                self.send_response(404 if page is None else 200)
                self.send_header("Content-Length", str(len(page or b"")))
                self.end_headers()
                self.wfile.write((page or b"")[: len(page or b"") - owner.missing])

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
                """Keep the server's log off the terminal."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def source(self, page: str, content: bytes | None = None) -> ZipDownload:
        if content is not None:
            self.pages[page] = content
        return ZipDownload(f"{self.address}{page}", "toy/toy.data")

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def owner(monkeypatch: pytest.MonkeyPatch) -> Iterator[Owner]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    owner = Owner()
    yield owner
    owner.close()


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is all pip can see."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def put_wheel(folder: Path, content: bytes) -> None:
    files = {
        "toylog/toy.inter": content,
        "toylog-1.0.dist-info/METADATA": b"Metadata-Version: 2.1\nName: toylog\nVersion: 1.0\nRequires-Dist: nowhere\n",
        "toylog-1.0.dist-info/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "toylog-1.0.dist-info/RECORD"
    with zipfile.ZipFile(folder / "toylog-1.0-py3-none-any.whl", "w") as file:
        for name, data in files.items():
            file.writestr(name, data)
        digests = [base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode() for data in files.values()]
        lines = [f"{name},sha256={digest.rstrip('=')},\n" for name, digest in zip(files, digests, strict=True)]
        file.writestr(record, "".join([*lines, f"{record},,\n"]))


def silent(_: str) -> None:
    """Hear the licence note and say nothing."""


def failure(dataset: NamedDataset, cache: Path) -> str:
    """The one line that says why the dataset cannot be had; nothing must be left in the cache by the attempt."""
    before = {path: path.read_bytes() for path in cache.glob("*")}
    with pytest.raises(SeqDistillError) as caught:
        fetch(dataset, cache)
    assert {path: path.read_bytes() for path in cache.glob("*")} == before
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_owner_is_asked_first_and_once(owner: Owner, wheels: Path, cache: Path) -> None:
    put_wheel(wheels, b"not needed")
    dataset = toy(owner.source("/toy.zip", archive("toy/toy.data", BODY)), WHEEL)
    said: list[str] = []
    assert cached(dataset, cache) is None
    path = fetch(dataset, cache, said.append)
    assert path == cache / "toy.inter" == fetch(dataset, cache, said.append) == cached(dataset, cache)
    assert path.read_bytes() == HEADER + BODY
    assert list(cache.iterdir()) == [path]
    assert owner.asked == ["/toy.zip"]
    assert len(said) == 1
    assert said[0].startswith("Toys may be played with.")


@pytest.mark.parametrize("with_header", [True, False])
def test_the_wheel_when_the_owner_has_it_not(
    owner: Owner, wheels: Path, cache: Path, capfd: pytest.CaptureFixture[str], with_header: bool
) -> None:
    put_wheel(wheels, HEADER + BODY if with_header else BODY)
    said: list[str] = []
    assert fetch(toy(owner.source("/gone.zip"), WHEEL), cache, said.append).read_bytes() == HEADER + BODY
    assert owner.asked == ["/gone.zip"]
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "page",
    [archive("toy/toy.data", BODY + b"2\t11\n"), archive("toy/other.data", BODY), archive("toy/toy.data", BODY)[:40]],
    ids=["another content", "no such member", "cut short"],
)
def test_what_is_not_the_file_is_passed_over(owner: Owner, wheels: Path, cache: Path, page: bytes) -> None:
    dataset = toy(owner.source("/toy.zip", page), WHEEL)
    assert "toy.zip" in failure(dataset, cache)
    put_wheel(wheels, HEADER + BODY)
    assert fetch(dataset, cache, silent).read_bytes() == HEADER + BODY


def test_another_digest_is_refused(owner: Owner, wheels: Path, cache: Path) -> None:
    put_wheel(wheels, HEADER + BODY[:-1])
    text = failure(toy(owner.source("/toy.zip", archive("toy/toy.data", b"1\t1\n")), WHEEL), cache)
    assert text.count("another SHA-256") == 2


def test_a_server_that_never_answers(wheels: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    put_wheel(wheels, BODY)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        address = f"http://127.0.0.1:{mute.getsockname()[1]}/toy.zip"
        source = ZipDownload(address, "toy/toy.data", answer_seconds=0.2)
        assert fetch(toy(source, WHEEL), cache, silent).exists()


@pytest.mark.usefixtures("wheels")
def test_nobody_has_it(owner: Owner, cache: Path) -> None:
    text = failure(toy(owner.source("/gone.zip"), WHEEL), cache)
    for part in ("404", "toylog==1.0", "https://toys.example/log", str(cache / "toy.data"), str(cache / "toy.inter")):
        assert part in text


def test_a_file_put_there_by_hand(cache: Path) -> None:
    cache.mkdir()
    (cache / "toy.data").write_bytes(BODY[1:])
    assert f"{cache / 'toy.data'}: another SHA-256" in failure(toy(), cache)
    (cache / "toy.data").write_bytes(BODY)
    assert fetch(toy(), cache, silent).read_bytes() == HEADER + BODY


@pytest.mark.parametrize("damaged", [b"", HEADER, (HEADER + BODY)[:-1], b"x" + HEADER + BODY])
def test_a_damaged_cache_is_fetched_again(owner: Owner, cache: Path, damaged: bytes) -> None:
    dataset = toy(owner.source("/toy.zip", archive("toy/toy.data", BODY)))
    cache.mkdir()
    (cache / "toy.inter").write_bytes(damaged)
    assert cached(dataset, cache) is None
    assert fetch(dataset, cache, silent).read_bytes() == HEADER + BODY
    assert owner.asked == ["/toy.zip"]


def test_a_cache_that_cannot_be_written(owner: Owner, tmp_path: Path) -> None:
    dataset = toy(owner.source("/toy.zip", archive("toy/toy.data", BODY)))
    (tmp_path / "file").touch()
    text = failure(dataset, tmp_path / "file" / "cache")
    assert str(tmp_path / "file") in text
    assert "SEQDISTILL_CACHE" in text


def test_a_name_taken_by_a_folder_leaves_no_partial_file(owner: Owner, cache: Path) -> None:
    dataset = toy(owner.source("/toy.zip", archive("toy/toy.data", BODY)))
    (cache / "toy.inter").mkdir(parents=True)
    with pytest.raises(SeqDistillError, match=r"toy\.inter"):
        fetch(dataset, cache)
    assert [path.name for path in cache.iterdir()] == ["toy.inter"]


def test_where_the_cache_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SEQDISTILL_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert cache_folder() == tmp_path / ".cache" / "seqdistill"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "seqdistill"
    monkeypatch.setenv("SEQDISTILL_CACHE", str(tmp_path / "own"))
    assert cache_folder() == tmp_path / "own"
    assert cache_folder(tmp_path / "given") == tmp_path / "given"


def test_an_unknown_name_offers_the_nearest() -> None:
    assert suggest_names("ml100k") == "did you mean ml-100k?"
    assert re.match(r"the known ones are ml-100k, .*amazon-2018-CATEGORY, amazon-2023-CATEGORY", suggest_names("zzz"))
    assert "amazon-2018-magazine-subscriptions" in suggest_names("amazon-2018-magazines")


def test_movielens_100k_has_the_counts_of_the_papers() -> None:
    try:
        dataset = load_dataset("ml-100k")
    except SeqDistillError as error:
        if "SHA-256" in str(error):
            raise
        pytest.skip(f"neither source of ml-100k can be reached: {error}")
    assert (dataset.num_users, dataset.num_items, dataset.num_interactions) == (943, 1349, 99287)
    assert not dataset.has_repeats
    assert len(dataset.held_out_users("test")) == 943
    known = NAMED_DATASETS["ml-100k"]
    whole = load_dataset("ml-100k", min_count=1)
    assert (whole.num_users, whole.num_items, whole.num_interactions) == (known.users, known.items, known.interactions)


class Bars:
    """Remembers what was reported."""

    def __init__(self) -> None:
        self.titles: list[str] = []
        self.notes: list[str] = []

    @contextmanager
    def task(self, title: str, total: int, *, done: int = 0) -> Generator["Bars"]:
        self.titles.append(f"{title}/{total - done}")
        yield self

    def advance(self, note: str = "", *, units: int = 1) -> None:
        del units
        self.notes.append(note)


LAYOUTS = {
    "ml-1m": b"1::1193::5::978300760\n1::661::3::978302109\n2::1193::4::978298413\n",
    "ml-20m": b"userId,movieId,rating,timestamp\n1,1193,5.0,978300760\n1,661,3.5,978302109\n2,1193,4.0,978298413\n",
    "amazon-2014-beauty": b"1,1193,5.0,978300760\n1,661,3.0,978302109\n2,1193,4.0,978298413\n",
    "amazon-2018-magazine-subscriptions": b"1193,1,5.0,978300760\n661,1,3.0,978302109\n1193,2,4.0,978298413\n",
    "amazon-2023-all-beauty": gzip.compress(
        b"user_id,parent_asin,rating,timestamp\n1,1193,5.0,978300760000\n1,661,3.0,978302109000\n2,1193,4.0,978298413000\n"
    ),
    "steam": gzip.compress(
        b"{u'username': u'1', u'product_id': u'1193', u'date': u'2018-01-05', u'text': u\"it's\\n{ok}\"}\n"
        b"{u'date': u'2018-01-06', u'username': u'1', u'product_id': u'661', u'early_access': False}\n"
        b"{u'username': u'2', u'product_id': u'1193', u'date': u'2018-01-04', u'found_funny': 1}\n"
    ),
    "gowalla": gzip.compress(
        b"1\t2010-10-19T23:55:27Z\t30.23\t-97.79\t1193\n1\t2010-10-20T23:55:27Z\t30.2\t-97.7\t661\n"
        b"2\t2010-10-18T22:17:43Z\t30.26\t-97.74\t1193\n"
    ),
    "yelp": b'{"review_id":"a","user_id":"1","business_id":"1193","text":"x\\ny","date":"2018-07-07 22:09:11"}\n'
    b'{"review_id":"b","user_id":"1","business_id":"661","stars":5.0,"text":"","date":"2018-07-08 22:09:11"}\n'
    b'{"review_id":"c","user_id":"2","business_id":"1193","stars":1.0,"text":"","date":"2018-07-01 22:09:11"}\n',
    "retailrocket": b"timestamp,visitorid,event,itemid,transactionid\n1433221332117,1,view,1193,\n"
    b"1433224214164,1,addtocart,661,\n1433221999827,2,transaction,1193,4\n",
    "diginetica": b"sessionId;userId;itemId;timeframe;eventdate\n1;NA;1193;526309;2016-05-09\n"
    b"1;NA;661;1031018;2016-05-09\n"
    b"2;7;1193;243569;2016-05-09\n",
}
"""A few rows in the owner's layout, in each: user 1 meets 1193 and then 661, user 2 meets 1193."""


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_layout_is_read_and_comes_from_its_owner_or_by_hand(
    owner: Owner, cache: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    known, content = NAMED_DATASETS[name], LAYOUTS[name]
    sources: list[Source] = []
    for source in known.sources:
        # The same file from a server of our own; what is known about the real archive would not hold.
        if isinstance(source, ZipDownload):
            owner.pages["/a.zip"] = archive(source.member, content)
            sources.append(replace(source, url=f"{owner.address}/a.zip", sha256=None))
        elif isinstance(source, FileDownload):
            owner.pages["/file"] = content
            sources.append(replace(source, url=f"{owner.address}/file"))
    known = replace(known, sources=tuple(sources))
    monkeypatch.setattr("seqdistill.data.load.NAMED_DATASETS", {name: known})
    if not sources:
        with pytest.raises(SeqDistillError) as caught:
            load_dataset(name, cache_dir=cache)
        for part in ("owner wants to be asked", known.address, str(cache / known.owner_file)):
            assert part in str(caught.value)
        (cache / known.owner_file).write_bytes(content)
    said: list[str] = []
    dataset = load_dataset(name, min_count=1, cache_dir=cache, notify=said.append)
    assert [known.licence in line for line in said] == [True] * bool(sources)
    assert sequences(dataset) == {"1": ["1193", "661"], "2": ["1193"]}
    assert dataset.name == name
    assert cached(known, cache) == cache / (known.kept_as if sources else known.owner_file)


def test_an_archive_with_another_digest_is_refused(owner: Owner, cache: Path) -> None:
    source = replace(owner.source("/toy.zip", archive("toy/toy.data", BODY)), sha256="0" * 64)
    assert "its archive has another SHA-256" in failure(toy(source), cache)


def test_a_file_that_ends_too_soon_is_refused(owner: Owner, cache: Path) -> None:
    owner.pages["/toy"] = BODY
    owner.missing = 3
    assert "ended after 12 of 15 bytes" in failure(toy(FileDownload(f"{owner.address}/toy")), cache)


def test_a_large_download_reports_its_bytes(owner: Owner, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seqdistill.data.report.QUIET_BYTES", 10)
    bars = Bars()
    fetch(toy(owner.source("/toy.zip", archive("toy/toy.data", BODY))), cache, silent, bars)
    assert bars.titles == ["fetching toy/100"]
    assert len(bars.notes) == 100


def test_names_are_those_of_the_command_line() -> None:
    assert all(name == known.name for name, known in NAMED_DATASETS.items())
    families = Counter(known.family for known in NAMED_DATASETS.values() if known.family)
    assert families == {"amazon-2014-CATEGORY": 24, "amazon-2018-CATEGORY": 29, "amazon-2023-CATEGORY": 34}
    kept = [known.kept_as for known in NAMED_DATASETS.values()]
    assert len(set(kept)) == len(kept)
