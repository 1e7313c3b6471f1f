"""`--checksums FILE`: which line belongs to which file, and what is said where none does."""

import hashlib

import pytest

from downloader.testserver import content
from downloader.testserver.launch import TestServer
from tests.support.command import Shell
from tests.support.scripted import MakeServer, reply

X, Y = (hashlib.sha256(text).hexdigest() for text in (b"x", b"y"))


def test_checksums_that_belong_to_nothing_are_an_error_before_the_start(dl: Shell, scripted: MakeServer) -> None:
    server = scripted(reply("200 OK", b"x"))
    dl.list(f"{server.url}/a.bin", f"{server.url}/b.bin")
    dl.list(f"{X}  img/other.bin", name="SUMS")
    done = dl("urls.txt", "-d", "out", "--checksums", "SUMS")
    assert done.returncode == 2
    assert "no line of SUMS belongs to a file of the list: 'a.bin' was expected, it has 'img/other.bin'" in done.stderr
    assert server.requests == []
    (dl.folder / "SUMS").write_text("")
    assert "it has no lines" in dl("urls.txt", "-d", "out", "--checksums", "SUMS").stderr


def test_checksums_that_belong_to_nothing_of_a_pipe_are_told_at_the_end(dl: Shell, scripted: MakeServer) -> None:
    server = scripted(reply("200 OK", b"x"))
    dl.list(f"{X}  other.bin", name="SUMS")
    for more in ((), ("-q",)):
        done = dl("-", "-d", "out", "--checksums", "SUMS", *more, stdin=f"{server.url}/a.bin\n")
        assert done.returncode == 2
        assert "  ✗ no line of SUMS belongs to a file of the list: 'a.bin' was expected" in done.stderr


def test_line_with_a_path_belongs_to_the_file_by_its_name(dl: Shell, scripted: MakeServer) -> None:
    server = scripted(reply("200 OK", b"x"))
    dl.list(f"{Y}  img/a.bin", name="SUMS")
    done = dl(f"{server.url}/a.bin", "-d", "out", "--checksums", "SUMS")
    assert done.returncode == 9
    assert "the sha256 checksum is wrong" in done.stderr


def test_two_files_of_one_name_are_told_apart_by_their_urls(dl: Shell, scripted: MakeServer) -> None:
    server = scripted(reply("200 OK", b"x"), reply("200 OK", b"y"))
    dl.list(f"{server.url}/data/a/f.bin", f"{server.url}/data/b/f.bin")
    dl.list(f"{X}  ./a/f.bin", f"{Y}  ./b/f.bin", name="SUMS")
    done = dl("urls.txt", "-d", "out", "--checksums", "SUMS", "-j", "1")
    assert "2 verified by a checksum" in done.stderr


def test_name_with_several_digests_is_not_matched_by_name_alone(dl: Shell, scripted: MakeServer) -> None:
    server = scripted(reply("200 OK", b"x"))
    dl.list(f"{server.url}/f.bin", f"{server.url}/g.bin", f"{server.url}/h.bin")
    dl.list(f"{X}  a/f.bin", f"{Y}  b/f.bin", f"{X}  g.bin", name="SUMS")
    done = dl("urls.txt", "-d", "out", "--checksums", "SUMS")
    assert done.returncode == 0, done.stderr
    assert "  1 verified by a checksum\n" in done.stderr
    assert "  2 without a checksum (1: the name is listed with several digests)\n" in done.stderr


@pytest.mark.parametrize("name", ["B2SUMS", "SUMS", "SHA512SUMS"])
def test_blake2b_digests_are_verified(dl: Shell, server: TestServer, name: str) -> None:
    body = content.body(1, 0, 100)
    kind = hashlib.sha512 if name == "SHA512SUMS" else hashlib.blake2b
    dl.list(f"{kind(body).hexdigest()}  1.bin", name=name)
    done = dl(server.file(1, 100), "-d", "out", "--checksums", name)
    assert "1 verified by a checksum" in done.stderr
    dl.list(f"{kind(b'other').hexdigest()}  1.bin", name=name)
    wrong = dl(server.file(1, 100), "-d", "new", "--checksums", name)
    assert wrong.returncode == 9


def test_blake2b_digest_in_a_list_survives_the_failed_list(dl: Shell, server: TestServer) -> None:
    body = content.body(1, 0, 100)
    dl.list(server.file(1, 100), f"  checksum=blake2b={hashlib.blake2b(body).hexdigest()}")
    assert "1 verified" in dl("urls.txt", "-d", "out").stderr
    dl.list(f"{hashlib.blake2b(b'').hexdigest()}  1.bin", name="SUMS")
    dl(server.file(1, 100), "-d", "new", "--checksums", "SUMS", "--failed", "failed.txt")
    assert "checksum=sha512|blake2b=" in (dl.folder / "failed.txt").read_text()
    assert dl("failed.txt", "-d", "new").returncode == 9
