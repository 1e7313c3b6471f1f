"""Tar files in an object store that fails: what is asked again, and which numbers belong to whom."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from obstore.exceptions import AlreadyExistsError, GenericError

from downloader.core.names.shard_names import SHARD_SUFFIXES, shard_name
from downloader.errors import FolderError, StoreUnavailable
from downloader.storage import object_shards
from downloader.storage.base import StoreOptions
from downloader.storage.object_shards import UNFINISHED, ShardObjects

FILES = {f"00000{suffix}" for suffix in SHARD_SUFFIXES}
UNAVAILABLE = "Server returned non-2xx status code: 503 Service Unavailable: <Code>SlowDown</Code>"


class Objects(dict[str, bytes]):
    """What obstore's functions do, for a store in memory. ``fail``: called with the name before and after each request."""

    fail: Callable[[str, bool], None] = staticmethod(lambda name, after: None)

    def put(self, name: str, data: bytes, replace: bool) -> None:
        self.fail(name, False)
        if not replace and name in self:
            raise AlreadyExistsError("exists")
        self[name] = data
        self.fail(name, True)

    def head(self, store: object, name: str) -> None:
        self.fail(name, False)
        if name not in self:
            raise FileNotFoundError(name)

    def get(self, store: object, name: str) -> Any:
        class Answer:
            bytes = staticmethod(lambda data=self[name]: data)

        return Answer()


@pytest.fixture
def objects(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Objects:
    found = Objects()
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setattr(object_shards, "RETRY_SECONDS", (0.0, 0.0))
    monkeypatch.setattr(
        object_shards, "upload_block", lambda store, name, data, replace, attributes: found.put(name, data, replace)
    )
    monkeypatch.setattr(
        object_shards,
        "upload_file",
        lambda store, name, descriptor, replace, *rest: found.put(name, os.pread(descriptor, 99, 0), replace),
    )
    monkeypatch.setattr("obstore.head", found.head)
    monkeypatch.setattr("obstore.get", found.get)
    monkeypatch.setattr("obstore.delete", lambda store, name: found.pop(name, None))
    names: Callable[[object], Any] = lambda store: {"objects": [{"path": name} for name in found]}  # noqa: E731
    monkeypatch.setattr("obstore.list_with_delimiter", names)
    return found


@pytest.fixture
def storage(objects: Objects) -> Iterator[ShardObjects]:
    shards = ShardObjects(StoreOptions("s3://bucket/prefix", "http://127.0.0.1:9"))
    shards.begin()
    for suffix in SHARD_SUFFIXES:
        Path(shards.work, shard_name(0) + suffix).write_bytes(suffix.encode())
    yield shards
    shards.close()
    assert not os.path.exists(shards.work)


def failing_once(after: bool) -> Callable[[str, bool], None]:
    """Each request fails the first time, ``after`` it was done or before."""
    seen: set[str] = set()

    def fail(name: str, done: bool) -> None:
        if done is after and name not in seen:
            seen.add(name)
            raise GenericError(UNAVAILABLE)

    return fail


@pytest.mark.parametrize("after", [False, True])
def test_requests_that_fail_are_repeated(storage: ShardObjects, objects: Objects, after: bool) -> None:
    objects.fail = failing_once(after)  # type: ignore[method-assign]
    assert storage.names() == []
    storage.store(0)
    assert objects == {f"00000{suffix}": suffix.encode() for suffix in SHARD_SUFFIXES}
    assert os.listdir(storage.work) == ["files"]


def test_a_store_that_keeps_failing_is_an_error(storage: ShardObjects, objects: Objects) -> None:
    def fail(name: str, done: bool) -> None:
        if name.endswith(".parquet"):
            raise GenericError(UNAVAILABLE)

    objects.fail = fail  # type: ignore[method-assign]
    with pytest.raises(StoreUnavailable, match=r"HTTP 503 SlowDown\): cannot write '00000\.parquet'"):
        storage.store(0)
    assert set(objects) == {"00000" + UNFINISHED, "00000.tar"}
    assert "00000.tar" not in storage.names()  # the next run uses the number again
    del objects.fail
    storage.store(0)
    assert set(objects) == FILES


@pytest.mark.parametrize("taken", ["00000" + UNFINISHED, "00000.tar", "00000.stats.json"])
def test_a_number_of_another_run_is_left_alone(storage: ShardObjects, objects: Objects, taken: str) -> None:
    storage.names()
    objects[taken] = b"of another run"
    with pytest.raises(FolderError, match="another run writes tar files to s3://bucket/prefix"):
        storage.store(0)
    assert objects == {taken: b"of another run"}


def test_what_a_killed_run_has_left_is_removed_or_replaced(storage: ShardObjects, objects: Objects) -> None:
    objects.update({"00000" + UNFINISHED: b"killed", "00000.tar": b"killed", "00001" + UNFINISHED: b"", "x.unfinished": b""})
    objects.update({f"00001{suffix}": b"complete" for suffix in SHARD_SUFFIXES})
    assert set(storage.names()) >= {"00001.tar", "00001.stats.json"}
    assert "00000.tar" not in storage.names()
    storage.store(0)
    assert set(objects) == FILES | {f"00001{suffix}" for suffix in SHARD_SUFFIXES} | {"x.unfinished"}
    assert objects["00000.tar"] == b".tar"
