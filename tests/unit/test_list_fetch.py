"""Which settings hold for fetching a list, and what is left of a fetched list."""

import os
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer

from downloader.errors import StorageError, UsageError
from downloader.runs.list_fetch import CONNECTION_SETTINGS, ListFetcher
from downloader.settings.definitions import Settings

SETTINGS_OF_FILES = {
    *("strategy", "dir", "jobs", "per_host", "segments", "min_segment_size", "on_exists", "on_full", "content_disposition"),
    *("mtime", "name", "flatten", "fanout", "process", "keep_paths", "cut_dirs", "max_size", "min_size", "expect_type"),
    *("checksums", "find_checksums", "digest", "require_checksums", "journal", "on_busy", "retry_failed", "report", "manifest"),
    *("on_complete", "trace", "failed", "progress", "quiet", "verbose", "log_file", "fail_fast", "skip_bad_lines", "format"),
    *("url_column", "name_column", "checksum_column", "size_column", "mirror_column", "links", "expand", "prefer_location"),
    *("order", "grace", "cluster", "endpoint_url", "shard_files", "shard_size", "max_total"),
}


def test_each_setting_holds_for_the_list_or_for_its_files() -> None:
    assert set(Settings.__struct_fields__) == {*CONNECTION_SETTINGS, *SETTINGS_OF_FILES}
    assert not set(CONNECTION_SETTINGS) & SETTINGS_OF_FILES


def test_a_list_is_fetched_once_and_removed_with_its_fetcher(
    httpserver: HTTPServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    httpserver.expect_ordered_request("/list").respond_with_data("content")
    settings = Settings(checksums="missing", name="{missing}", max_size=1, process="missing:missing", dir="/proc/missing")
    fetcher = ListFetcher(settings)
    assert os.listdir(tmp_path) == []
    for _ in range(2):
        with fetcher(httpserver.url_for("/list")).stream as stream:
            assert stream.read() == b"content"
    assert len(httpserver.log) == 1
    (folder,) = tmp_path.iterdir()
    assert folder.stat().st_mode & 0o077 == 0
    del fetcher
    assert os.listdir(tmp_path) == []


def test_the_url_of_a_fetched_list_is_the_last_one(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/a").respond_with_data("", status=302, headers={"Location": "/b/c"})
    httpserver.expect_request("/b/c").respond_with_data("x")
    fetched = ListFetcher(Settings())(httpserver.url_for("/a"))
    fetched.stream.close()
    assert fetched.url == httpserver.url_for("/b/c")


def test_a_list_that_cannot_be_fetched_is_a_usage_error_without_secrets(httpserver: HTTPServer) -> None:
    url = httpserver.url_for("/missing?token=secret")
    httpserver.expect_request("/missing").respond_with_data("", status=404)
    with pytest.raises(UsageError, match="cannot fetch the list: HTTP 404") as caught:
        ListFetcher(Settings())(url)
    assert "secret" not in str(caught.value)


def test_no_temporary_folder_is_a_storage_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    with pytest.raises(StorageError, match="cannot make a temporary folder"):
        ListFetcher(Settings())("http://127.0.0.1:9/")
