"""What the value of ``--dir`` means."""

import pytest

from downloader.core.names.locations import Location, LocationKind, check_is_folder, parse_location
from downloader.errors import UsageError

FOLDER, STORE, TAR = LocationKind.FOLDER, LocationKind.STORE, LocationKind.TAR


@pytest.mark.parametrize(
    ("text", "location"),
    [
        (".", Location(FOLDER, ".")),
        ("/a/b", Location(FOLDER, "/a/b")),
        ("a:b", Location(FOLDER, "a:b")),
        ("~/x", Location(FOLDER, "~/x")),
        ("./s3:/b", Location(FOLDER, "./s3:/b")),
        ("./s3:b", Location(FOLDER, "./s3:b")),
        ("s3", Location(FOLDER, "s3")),
        ("./s3://b", Location(FOLDER, "./s3://b")),
        ("s3://bucket/a/b", Location(STORE, "s3://bucket/a/b")),
        ("S3://bucket", Location(STORE, "s3://bucket")),
        ("gs://bucket/p", Location(STORE, "gs://bucket/p")),
        ("az://container/p", Location(STORE, "az://container/p")),
        ("file:///data", Location(STORE, "file:///data")),
        ("tar://shards", Location(TAR, "shards")),
        ("tar:///abs/shards", Location(TAR, "/abs/shards")),
        ("tar://s3://bucket/p", Location(TAR, "s3://bucket/p")),
    ],
)
def test_location(text: str, location: Location) -> None:
    assert parse_location(text) == location


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ftp://host/x", "unknown scheme ftp://"),
        ("http://host/x", "unknown scheme http://"),
        ("s3://", "expected s3://BUCKET/PREFIX"),
        ("s3:///prefix", "expected s3://BUCKET/PREFIX"),
        ("file:///", "expected file:///PATH"),
        ("s3:/bucket/x", "a URL has two slashes"),
        ("tar:/x", "a URL has two slashes"),
        ("s3:bucket/x", "a URL has two slashes"),
        ("tar:shards", "a URL has two slashes"),
        ("tar://", "expected tar://FOLDER"),
        ("tar://tar://x", "expected tar://FOLDER"),
        ("tar://ftp://x", "unknown scheme ftp://"),
    ],
)
def test_wrong_location(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_location(text)


def test_command_for_folders() -> None:
    check_is_folder("data", "dl status")
    with pytest.raises(UsageError, match="s3://b is an object store: dl status reads folders"):
        check_is_folder("s3://b", "dl status")
    with pytest.raises(UsageError, match="tar://b is a place of tar files: dl status reads folders"):
        check_is_folder("tar://b", "dl status")
