"""Folders after the URL's path: `--keep-paths` and `--cut-dirs`."""

from pathlib import Path

import pytest

from downloader import Download, download
from downloader.core.names.file_names import path_from_url
from downloader.core.names.namer import Namer
from downloader.core.scheduling.source_reader import SourceReader
from downloader.testserver.launch import TestServer


@pytest.mark.parametrize(
    ("url", "cut", "path"),
    [
        ("http://h.example/a/b/c.bin", 0, "h.example/a/b/c.bin"),
        ("http://h.example/a/b/c.bin", 1, "h.example/b/c.bin"),
        ("http://h.example/a/b/c.bin", 9, "h.example/c.bin"),
        ("http://H.example:8080/c.bin", 0, "h.example_8080/c.bin"),
        ("http://[::1]:8080/c.bin", 0, "__1_8080/c.bin"),
        ("http://u:p@h.example/c.bin?x=a/b", 0, "h.example/c.bin"),
        ("http://h.example/", 0, "h.example/index.html"),
        ("http://h.example/a//b/", 0, "h.example/a/b/index.html"),
        ("http://h.example/%2e%2e/%2Fetc/..%2f..%2fpasswd", 0, "h.example/_/_etc/passwd"),
        ("http://h.example/../../c", 0, "h.example/_/_/c"),
        ("http://h.example/con/a.part/f", 0, None),
    ],
)
def test_path_is_host_folders_and_name(url: str, cut: int, path: str | None) -> None:
    found = path_from_url(url, cut)
    assert path is None or found == path
    assert ".." not in found.split("/")
    assert not {"con", "a.part", "", "."} & set(found.split("/"))


def test_equal_paths_get_a_digest_and_out_takes_precedence() -> None:
    listed = [
        Download("http://h/a/f.bin"),
        Download("http://h/b/f.bin"),
        Download("http://h/a/f.bin?v=2"),
        Download("http://h/a/g.bin", out="x/y"),
        Download("http://h/a/g.bin", dir="d"),
    ]
    reader = SourceReader(iter(listed), None, False, Namer(cut_dirs=0))
    paths = [entry.path for entry in reader.read_ahead(0.0, 0, 0, 0)]
    assert paths[:2] == ["h/a/f.bin", "h/b/f.bin"]
    assert paths[2].startswith("h/a/f-")
    assert paths[3:] == ["x/y", "d/h/a/g.bin"]


def test_files_go_into_the_folders_of_their_urls(server: TestServer, tmp_path: Path) -> None:
    report = download([server.file(1, 10)], tmp_path, keep_paths=True)
    host = server.url.partition("://")[2].replace(":", "_")
    assert [result.path for result in report.results] == [path_from_url(server.file(1, 10))]
    assert report.results[0].path.startswith(f"{host}/")
    assert (tmp_path / report.results[0].path).stat().st_size == 10
