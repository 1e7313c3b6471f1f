"""Blocks that are written without joining their pieces."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from downloader.storage import pieces as module
from downloader.storage.pieces import MAX_PIECES, write_some


def write_all(descriptor: int, pieces: list[bytes], offset: int | None) -> int:
    """Write everything; returns the number of bytes."""
    total = 0
    while pieces:
        count, pieces = write_some(descriptor, pieces, None if offset is None else offset + total)
        total += count
    return total


@pytest.mark.parametrize("offset", [None, 7])
@pytest.mark.parametrize("number", [1, 2, MAX_PIECES, MAX_PIECES + 1, 2 * MAX_PIECES + 5])
def test_any_number_of_pieces_is_written_in_order(tmp_path: Path, number: int, offset: int | None) -> None:
    pieces = [b"%d," % item for item in range(number)]
    path = tmp_path / "file"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT)
    try:
        assert write_all(descriptor, pieces, offset) == sum(map(len, pieces))
    finally:
        os.close(descriptor)
    assert path.read_bytes() == bytes(offset or 0) + b"".join(pieces)


@given(pieces=st.lists(st.binary(max_size=9), min_size=1, max_size=9), limit=st.integers(1, 20), at_offset=st.booleans())
def test_what_one_call_does_not_write_is_left(pieces: list[bytes], limit: int, at_offset: bool) -> None:
    content = bytearray()

    def write(_: int, data: bytes) -> int:
        content.extend(data[:limit])
        return min(limit, len(data))

    def pwrite(descriptor: int, data: bytes, offset: int) -> int:
        assert offset == 5 + len(content)
        return write(descriptor, data)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module.os, "write", write)
        patch.setattr(module.os, "pwrite", pwrite)
        patch.setattr(module.os, "writev", lambda descriptor, batch: write(descriptor, b"".join(batch)))
        patch.setattr(module.os, "pwritev", lambda descriptor, batch, at: pwrite(descriptor, b"".join(batch), at))
        assert write_all(0, pieces, 5 if at_offset else None) == len(content)
    assert content == b"".join(pieces)
