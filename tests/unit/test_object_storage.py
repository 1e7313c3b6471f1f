"""Object stores without a server: a store in a local folder, which URLs are stores, and what the errors of stores mean."""

import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from obstore import exceptions

import downloader
from downloader import FolderError, Interrupted, StorageError, StoreUnavailable, UsageError
from downloader.core.facts import Existing
from downloader.core.http.messages import Head, Request, TransferPolicy
from downloader.core.model import Attempt, End, Outcome
from downloader.core.names.exists_policy import Before
from downloader.engine.attempt.attempt import attempt_steps
from downloader.engine.attempt.commands import READ, Call, Write
from downloader.engine.contract import AttemptContext, Slot, WorkerConfig
from downloader.engine.control import Cut
from downloader.engine.stats import LocalStats
from downloader.errors import DownloadError, FolderFull
from downloader.storage import object_upload
from downloader.storage.base import Storage, StoreOptions
from downloader.storage.object_errors import storage_failure
from downloader.storage.object_index import ObjectIndex
from downloader.storage.object_scratch import open_scratch
from downloader.storage.object_storage import ObjectStorage
from downloader.storage.object_store import endpoint_of, open_store
from downloader.storage.opening import open_storage
from downloader.testserver import content
from downloader.testserver.launch import TestServer
from downloader.transports.base import ClientOptions
from tests.support.command import Shell
from tests.support.fake_server import FakeServer
from tests.support.files import files_below

PLACE = "s3://bucket/p"


@pytest.fixture(autouse=True)
def _temporary_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))


# --- a store in a local folder


def test_files_arrive_and_the_temporary_folder_is_removed(server: TestServer, tmp_path: Path) -> None:
    sizes = (0, 5, 3_000_000, 20_000_000)
    urls = [server.file(number, size) for number, size in enumerate(sizes)]
    place = f"file://{tmp_path}/a%20store/deep"
    assert downloader.download(urls, place, jobs=2).done == 4
    root = tmp_path / "a store" / "deep"
    assert files_below(root) == ["0.bin", "1.bin", "2.bin", "3.bin"]
    for number, size in enumerate(sizes):
        assert (root / f"{number}.bin").read_bytes() == content.body(number, 0, size)
    assert downloader.download(urls, place, jobs=2).skipped == 4
    assert os.listdir(tmp_path / "temporary") == []


def test_folder_that_cannot_be_written(server: TestServer, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="not a directory: cannot use file:"):
        downloader.download([server.file(0, 5)], f"file://{tmp_path}/file/x")


def test_temporary_folder_that_cannot_be_made(server: TestServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary" / "missing" / ("x" * 300)))
    with pytest.raises(StorageError, match=r"cannot make the temporary folder .* file name too long") as caught:
        downloader.download([server.file(0, 5)], f"file://{tmp_path}/store")
    assert "TMPDIR" in caught.value.hint


def test_folders_of_killed_runs_are_removed(server: TestServer, tmp_path: Path) -> None:
    parent = tmp_path / "temporary"
    for name in ("dl-store-killed", "dl-store-running", "dl-store-young", "dl-other"):
        (parent / name).mkdir()
        (parent / name / "0.bin.part").write_bytes(b"x")
        if name != "dl-store-young":
            os.utime(parent / name, (1e9, 1e9))
    (parent / "dl-store-link").symlink_to(parent / "dl-other")
    running = open_scratch(str(parent / "dl-store-running"))
    assert downloader.download([server.file(0, 5)], f"file://{tmp_path}/store").done == 1
    running.close()
    assert sorted(os.listdir(parent)) == ["dl-other", "dl-store-link", "dl-store-running", "dl-store-young"]
    assert os.listdir(parent / "dl-other") == ["0.bin.part"]


def test_named_journal_knows_what_is_in_the_store(server: TestServer, tmp_path: Path) -> None:
    urls, journal = [server.file(number, 10) for number in range(3)], str(tmp_path / "journal.sqlite")
    place = f"file://{tmp_path}/store"
    assert downloader.download(urls, place, journal=journal).done == 3
    (tmp_path / "store" / "1.bin").unlink()
    again = downloader.download(urls, place, journal=journal)
    assert (again.done, again.skipped) == (1, 2)
    assert files_below(tmp_path / "store") == ["0.bin", "1.bin", "2.bin"]


def test_no_journal_is_kept_in_a_store(server: TestServer, tmp_path: Path) -> None:
    (tmp_path / "urls.txt").write_text(server.file(0, 10))
    downloader.download(tmp_path / "urls.txt", f"file://{tmp_path}/store")
    assert os.listdir(tmp_path / "store") == ["0.bin"]


def test_dry_run_makes_no_folder(dl: Shell, tmp_path: Path) -> None:
    done = dl("http://127.0.0.1:1/a.bin", "-d", f"file://{tmp_path}/store", "--dry-run")
    assert done.stdout == "fetch\thttp://127.0.0.1:1/a.bin\ta.bin\n"
    assert sorted(os.listdir(tmp_path)) == ["temporary"]


def test_folder_that_vanishes_before_the_listing(tmp_path: Path) -> None:
    storage = ObjectStorage(StoreOptions(f"file://{tmp_path}/store"), str(tmp_path / "temporary" / "run"), Before.KEEP)
    (tmp_path / "store").rmdir()
    (tmp_path / "store").write_text("")
    with pytest.raises(StorageError, match="cannot use file://"):
        storage.begin(bool)
    storage.close()


@pytest.mark.parametrize("replace", [False, True])
def test_long_upload_ends_when_the_run_does(tmp_path: Path, replace: bool) -> None:
    path = tmp_path / "large"
    with path.open("wb") as stream:
        stream.truncate(object_upload.SINGLE_PUT_BYTES + 1)
    store = open_store(f"file://{tmp_path}/store").store
    asked = iter([False, True])
    with path.open("rb") as stream, pytest.raises(Interrupted):
        object_upload.upload_file(store, "large", stream.fileno(), replace, None, lambda: next(asked))
    assert os.listdir(tmp_path / "store") == []


def outcome_of(storage: Storage, body: bytes, **changes: Any) -> Outcome:
    """Drive an Attempt whose file goes to this place, with a server that sends this body."""
    config = WorkerConfig("/nowhere", TransferPolicy(), ClientOptions(), **changes.pop("settings", {}))
    attempt = replace(Attempt(0, 2, "http://h/a", "http://h/a", "a.bin"), **changes)
    steps = attempt_steps(attempt, AttemptContext(config, storage), Slot(LocalStats(), Cut()))
    server = FakeServer(body=body)
    pieces: Iterator[bytes] = iter(())
    answer: Head | bytes | None = None
    try:
        while True:
            command = steps.send(answer)
            answer = None
            if isinstance(command, Request):
                answer, pieces = server.answer(command)
            elif command is READ:
                answer = next(pieces, b"")
            elif isinstance(command, Write):
                command.part.write(command.block)
            elif isinstance(command, Call):
                try:
                    command.call()
                except (DownloadError, OSError) as error:
                    steps.throw(error)
    except StopIteration as stop:
        outcome: Outcome = stop.value
        return outcome


@pytest.mark.parametrize("size", [1000, 3_000_000])
def test_worker_elsewhere_has_a_temporary_folder_of_its_own(tmp_path: Path, size: int) -> None:
    body, options = b"x" * size, StoreOptions(f"file://{tmp_path}/store")
    storage = open_storage("/nowhere", options, elsewhere=True)
    settings = {"process": "tests.support.processing_functions:digest"}
    assert outcome_of(storage, body, settings=settings).end is End.COMPLETE
    assert len(os.listdir(tmp_path / "temporary")) == 1
    storage.close()
    assert os.listdir(tmp_path / "temporary") == []
    assert (tmp_path / "store" / "a.bin").read_bytes() == body


@pytest.mark.parametrize("size", [1000, 3_000_000])
@pytest.mark.parametrize(("lost", "end"), [(True, End.COMPLETE), (False, End.EXISTS)])
def test_file_that_a_lost_worker_had_uploaded_is_done(tmp_path: Path, size: int, lost: bool, end: End) -> None:
    storage = open_storage(str(tmp_path / "temporary" / "run"), StoreOptions(f"file://{tmp_path}/store"))
    assert outcome_of(storage, b"x" * size).end is End.COMPLETE
    outcome = outcome_of(storage, b"x" * size, may_exist_already=lost)
    assert (outcome.end, outcome.error) == (end, None)
    storage.close()
    assert files_below(tmp_path / "temporary") == []


# --- which URLs are stores


@pytest.mark.parametrize(
    ("url", "prefix"),
    [
        ("s3://bucket", ""),
        ("s3://bucket/a/b/", "a/b"),
        ("s3://bucket/50%?#x", "50%?#x"),
        ("gs://bucket/a", "a"),
        ("az://container/a", "a"),
    ],
)
def test_prefix(url: str, prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "account")
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", "a2V5")
    opened = open_store(url)
    assert opened.prefix == prefix
    assert (opened.store.prefix or "") == prefix  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("url", "endpoint", "said"),
    [
        ("s3://key:secret@bucket/x", "", "--dir: credentials do not belong into the URL"),
        ("s3://bucket/x", "http://key:secret@host", "--endpoint-url: credentials do not belong"),
        ("s3://bucket/x", "127.0.0.1:9000", "--endpoint-url is not the URL of a server"),
        ("s3://bucket/x", "http://[", "--endpoint-url is not the URL of a server"),
        ("gs://bucket/x", "http://127.0.0.1", "not for gs://"),
        ("s3://bucket/a//b", "", "empty part"),
        ("s3://bucket/../b", "", "empty part"),
        ("file://host/data", "", "expected file:///PATH"),
    ],
)
def test_url_that_is_no_store(url: str, endpoint: str, said: str) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        open_store(url, endpoint)
    assert "secret" not in str(caught.value)


def test_endpoint_of_the_environment() -> None:
    environment = {"AWS_ENDPOINT_URL": "http://a/", "AWS_ENDPOINT_URL_S3": "http://b/"}
    assert endpoint_of("s3", "", environment) == "http://b"
    assert endpoint_of("s3", "http://c/", environment) == "http://c"
    assert endpoint_of("s3", "", {"AWS_ENDPOINT_URL": "http://a/"}) == "http://a"
    assert endpoint_of("az", "", environment) == ""
    assert endpoint_of("s3", "", {}) == ""


# --- what errors of stores mean


def answered(status: int, code: str) -> Exception:
    """An exception of obstore for an answer with this status, and this code in its body."""
    text = f"Error performing PUT http://h/b/x?X-Amz-Signature=secret - Server returned non-2xx status code: {status} Reason: "
    return exceptions.GenericError(f"{text}<Error><Code>{code}</Code></Error>")


@pytest.mark.parametrize(
    ("error", "kind", "reason"),
    [
        (answered(503, "SlowDown"), StoreUnavailable, "the object store failed (HTTP 503 SlowDown)"),
        (answered(429, ""), StoreUnavailable, "the object store failed (HTTP 429)"),
        (answered(409, "ConditionalRequestConflict"), StoreUnavailable, "HTTP 409 ConditionalRequestConflict"),
        (answered(501, "NotImplemented"), StorageError, "the object store refuses the request (HTTP 501 NotImplemented)"),
        (answered(403, "AccessDenied"), FolderError, "the object store refuses the credentials (HTTP 403 AccessDenied)"),
        (answered(401, ""), FolderError, "the object store refuses the credentials (HTTP 401)"),
        (answered(404, "NoSuchBucket"), FolderError, "the bucket does not exist"),
        (answered(400, "AuthorizationHeaderMalformed"), FolderError, "the bucket is in another region"),
        (answered(301, "PermanentRedirect"), FolderError, "the bucket is in another region"),
        (answered(400, "KeyTooLongError"), StorageError, "the object store refuses the request (HTTP 400 KeyTooLongError)"),
        (FileNotFoundError("Object at location x not found"), FolderError, "the bucket does not exist"),
        (ValueError("Could not parse path"), StorageError, "an object cannot have this name"),
        (exceptions.NotSupportedError("x"), StorageError, "the object store cannot do this"),
        (exceptions.GenericError("http://169.254.169.254/latest"), FolderError, "no credentials were found"),
        (exceptions.GenericError("ConnectionRefused"), StoreUnavailable, "connection refused"),
        (exceptions.GenericError("source: TimedOut"), StoreUnavailable, "no answer within the time-out"),
        (exceptions.GenericError("dns error"), StoreUnavailable, "the host name does not exist"),
        (exceptions.GenericError("?"), StoreUnavailable, "the connection failed"),
    ],
)
def test_failure(error: Exception, kind: type[StorageError], reason: str) -> None:
    failure = storage_failure(error, PLACE, "a.bin", "https://h/a.bin")
    assert type(failure) is kind
    assert reason in str(failure)
    assert str(failure).startswith("https://h/a.bin: ")
    assert "secret" not in str(failure)


@pytest.mark.parametrize("error", [exceptions.AlreadyExistsError("x"), exceptions.PreconditionError("x")])
def test_name_that_is_taken(error: Exception) -> None:
    assert isinstance(storage_failure(error, PLACE, "a.bin"), FileExistsError)


@pytest.mark.parametrize(
    ("number", "kind"), [(28, FolderFull), (13, FolderError), (30, FolderError), (20, StorageError), (36, StorageError)]
)
def test_failure_of_a_local_folder(number: int, kind: type[StorageError]) -> None:
    failure = storage_failure(exceptions.GenericError(f"Unable to open (os error {number})"), "file:///x", "a.bin")
    assert type(failure) is kind
    assert os.strerror(number).lower() in str(failure)


def test_object_that_is_gone_says_nothing_of_the_bucket() -> None:
    failure = storage_failure(FileNotFoundError("x"), PLACE, "a.bin", reads=True)
    assert type(failure) is StorageError
    assert "cannot read 'a.bin'" in str(failure)


# --- what is in a store


@given(st.dictionaries(st.text(min_size=1), st.integers(0, 5 << 40)), st.sets(st.text(min_size=1)))
def test_index(sizes: dict[str, int], others: set[str]) -> None:
    when = datetime(2026, 1, 31, tzinfo=UTC)
    page = [{"path": path, "size": size, "last_modified": when, "e_tag": None, "version": None} for path, size in sizes.items()]
    index = ObjectIndex(keeps_times=True)
    index.load([page], bool)  # type: ignore[list-item]
    assert len(index) == len(sizes)
    for path, size in sizes.items():
        assert index.find(path) == Existing(size, when.timestamp())
    assert not any(index.find(path) for path in others - sizes.keys())


def test_listing_that_is_stopped() -> None:
    def pages() -> "Callable[[], object]":
        raise AssertionError("no further page is asked for")

    def listing() -> object:
        yield [{"path": "a", "size": 1}]
        yield pages()

    index = ObjectIndex(keeps_times=False)
    index.load(listing(), lambda: True)  # type: ignore[arg-type]
    assert index.find("a") == Existing(1, 0.0)
