"""Compressed lists: several members, damage and truncation at any byte, and how much memory and input reading takes."""

import gzip
import io
import lzma
import os
import random
import struct
import threading
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from downloader.errors import UsageError
from downloader.sources.compression import Decompressed
from downloader.sources.lists import ListReader
from downloader.sources.recognition import kind_of

COMPRESS: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.compress, "xz": lzma.compress, "zstd": zstandard.compress}
SUFFIXES = {"gzip": ".gz", "xz": ".xz", "zstd": ".zst"}
KINDS = pytest.mark.parametrize("kind", list(COMPRESS))


class Pieces(io.RawIOBase):
    """A raw stream that gives at most ``size`` bytes at a time, as a pipe may."""

    def __init__(self, data: bytes, size: int) -> None:
        self.data, self.size, self.given = data, size, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        part = self.data[self.given : self.given + min(self.size, len(buffer))]
        buffer[: len(part)] = part
        self.given += len(part)
        return len(part)


def decompressed(kind: str, data: bytes, size: int = 1 << 20) -> bytes:
    """The content of these data, read in pieces of ``size`` bytes."""
    with io.BufferedReader(Decompressed(kind, Pieces(data, size), "the list")) as stream:
        return stream.read()


@KINDS
@given(st.lists(st.binary(max_size=300), min_size=1, max_size=4), st.sampled_from([1, 2, 7, 100_000]))
def test_several_members_are_read_one_after_the_other(kind: str, contents: list[bytes], size: int) -> None:
    data = b"".join(map(COMPRESS[kind], contents))
    assert kind_of(data) == kind
    assert decompressed(kind, data, size) == b"".join(contents)


@KINDS
def test_zeros_after_the_data_are_padding(kind: str) -> None:
    member = COMPRESS[kind](b"content")
    assert decompressed(kind, member + bytes(512)) == b"content"
    assert decompressed(kind, member + bytes(8) + member, 5) == b"contentcontent"


def test_frames_of_zstandard_without_content_are_skipped() -> None:
    skipped = struct.pack("<II", 0x184D2A50, 5) + b"12345"
    assert decompressed("zstd", zstandard.compress(b"a") + skipped + zstandard.compress(b"b")) == b"ab"


@KINDS
def test_data_that_end_too_early_are_an_error_wherever_they_end(kind: str) -> None:
    data = COMPRESS[kind](bytes(range(256)))
    for end in range(6, len(data)):
        with pytest.raises(UsageError, match=f"the {kind} data are (truncated|damaged)") as caught:
            decompressed(kind, data[:end])
        assert caught.value.url == "the list"
    assert decompressed(kind, data) == bytes(range(256))


@KINDS
def test_damaged_data_are_an_error_that_names_the_byte(kind: str) -> None:
    content = random.Random(1).randbytes(300_000)
    data = bytearray(
        zstandard.ZstdCompressor(write_checksum=True).compress(content) if kind == "zstd" else COMPRESS[kind](content)
    )
    data[len(data) // 2] ^= 0xFF
    with pytest.raises(UsageError, match=f"the {kind} data are damaged, at byte [0-9]+ or shortly after it") as caught:
        decompressed(kind, bytes(data))
    assert caught.value.url == "the list"


@KINDS
def test_what_follows_the_data_must_be_data_of_that_kind(kind: str) -> None:
    member = COMPRESS[kind](b"content")
    with pytest.raises(UsageError, match=f"what follows the {kind} data at byte {len(member)} "):
        decompressed(kind, member + b"something else")


@KINDS
def test_a_few_bytes_that_expand_to_many_take_little_memory(kind: str) -> None:
    data = COMPRESS[kind](bytes(80_000_000))
    tracemalloc.start()
    try:
        stream = io.BufferedReader(Decompressed(kind, Pieces(data, 1 << 20), "the list"))
        count = 0
        while block := stream.read(1 << 20):
            count += len(block)
        assert count == 80_000_000
        assert tracemalloc.get_traced_memory()[1] < 30_000_000
    finally:
        tracemalloc.stop()


@KINDS
@pytest.mark.parametrize("name", ["list.txt{}", "list.csv{}", "list"])
def test_a_compressed_list_is_read_whatever_its_name(kind: str, name: str, tmp_path: Path) -> None:
    path = tmp_path / name.format(SUFFIXES[kind])
    path.write_bytes(COMPRESS[kind](b"url,n\nhttps://a.example/1,x\nhttps://a.example/2,y\n"))
    lists = ListReader([path])
    assert lists.check() == 2
    found = [(item.url, item.origin) for item in lists.source() if item is not None]
    assert found == [("https://a.example/1", f"{path}:2"), ("https://a.example/2", f"{path}:3")]


@pytest.mark.slow
@pytest.mark.parametrize("format_name", ["text", "csv", "jsonl"])
def test_memory_does_not_grow_with_the_list(tmp_path: Path, format_name: str) -> None:
    line = {"text": "https://a.example/{0}\n  out={0}\n", "csv": "{0},https://a.example/{0},{0}\n"}
    row = line.get(format_name, '{{"id":"{0}","url":"https://a.example/{0}","name":"{0}"}}\n')
    peaks = []
    for count in (1_000, 9_000):
        path = tmp_path / f"{count}.gz"
        with gzip.open(path, "wt", compresslevel=1) as stream:
            stream.write("id,url,name\n" if format_name == "csv" else "")
            stream.writelines(map(row.format, range(count)))
        tracemalloc.start()
        lists = ListReader([path])
        assert lists.check() == count
        assert sum(1 for _ in lists.source()) == count
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 1_000_000, peaks


@KINDS
def test_a_truncated_list_is_an_error_before_anything_starts(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "list.gz"
    text = "".join(f"https://a.example/{random.Random(number).random()}\n" for number in range(20_000))
    path.write_bytes(COMPRESS[kind](text.encode())[:-100])
    with pytest.raises(UsageError, match=r"truncated|damaged") as caught:
        ListReader([path]).check()
    assert caught.value.url == str(path)


@KINDS
def test_a_compressed_pipe_is_read_while_it_is_written(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    go_on = threading.Event()
    first = COMPRESS[kind](b"https://a.example/1\nhttps://a.example/2\n")

    def write() -> None:
        with path.open("wb", buffering=0) as pipe:
            pipe.write(first)
            go_on.wait(30)
            pipe.write(COMPRESS[kind](b"https://a.example/3\n")[:-4])

    writer = threading.Thread(target=write)
    writer.start()
    lists = ListReader([path])
    assert lists.check() is None
    source = lists._one(path)
    assert next(source).url == "https://a.example/1"
    go_on.set()
    with pytest.raises(UsageError, match="truncated"):
        list(source)
    writer.join()
