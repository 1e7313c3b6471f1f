"""Compressed lists: gzip (RFC 1952), Zstandard (RFC 8878) and xz, decompressed while they are read.

Memory does not grow with the list, nor with what a few bytes of it expand to. Data of several members follow each other, as
``cat a.gz b.gz`` makes them. Truncated and damaged data are an error that says at which byte.
"""

import io
import zlib
from collections.abc import Callable
from typing import Protocol

from downloader.errors import UsageError
from downloader.sources.recognition import MAGIC_BYTES, kind_of

_READ_BYTES = 64 * 1024
_MAX_FEED_BYTES = {"zstd": 256}
"""Bytes that are given to a library at a time at most, if it returns all that they expand to: up to 65,000 times as much."""

_MAX_XZ_MEMORY = 512 * 1024 * 1024


def _is_skippable(head: memoryview) -> bool:
    """Whether a frame without content begins here: RFC 8878 section 3.1.2."""
    return bytes(head[1:4]) == b"\x2a\x4d\x18" and head[0] & 0xF0 == 0x50


class _Library(Protocol):
    """What the decompressors of the libraries have in common."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...


class _Member:
    """The decompressor of one member. ``wants_input``: whether all earlier bytes were used."""

    def __init__(self, library: _Library) -> None:
        self._library = library

    @property
    def eof(self) -> bool:
        return self._library.eof

    @property
    def unused_data(self) -> bytes:
        return self._library.unused_data

    @property
    def wants_input(self) -> bool:
        return True

    def feed(self, data: memoryview) -> bytes:
        """Decompress these bytes, and what is left of earlier ones; return at most about `_READ_BYTES` of the result."""
        raise NotImplementedError


class _Gzip(_Member):
    """A member of gzip data."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(wbits=31)
        super().__init__(self._inner)

    @property
    def wants_input(self) -> bool:
        return not self._inner.unconsumed_tail

    def feed(self, data: memoryview) -> bytes:
        return self._inner.decompress(self._inner.unconsumed_tail + data, _READ_BYTES)


class _Xz(_Member):
    """A stream of xz data."""

    def __init__(self) -> None:
        import lzma

        self._inner = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_MAX_XZ_MEMORY)
        super().__init__(self._inner)

    @property
    def wants_input(self) -> bool:
        return self._inner.needs_input

    def feed(self, data: memoryview) -> bytes:
        return self._inner.decompress(data, _READ_BYTES)


class _Zstd(_Member):
    """A frame of Zstandard data."""

    def __init__(self) -> None:
        import zstandard

        self._inner = zstandard.ZstdDecompressor().decompressobj()
        super().__init__(self._inner)

    def feed(self, data: memoryview) -> bytes:
        return self._inner.decompress(data)


_MEMBERS: dict[str, Callable[[], _Member]] = {"gzip": _Gzip, "xz": _Xz, "zstd": _Zstd}


def _library_errors(kind: str) -> tuple[type[Exception], ...]:
    """What the library of this kind of data raises for damaged data."""
    if kind == "xz":
        import lzma

        return (lzma.LZMAError,)
    if kind == "zstd":
        import zstandard

        return (zstandard.ZstdError,)
    return (zlib.error,)


class Decompressed(io.RawIOBase):
    """The content of compressed data, as a raw stream.

    ``kind``: see `kind_of`. ``raw``: the compressed data; it is closed with this stream. ``name``: of the list, for messages.
    Reading raises UsageError if the data are truncated or damaged.
    """

    def __init__(self, kind: str, raw: io.RawIOBase, name: str) -> None:
        self._kind, self._raw, self._name = kind, raw, name
        self._feed_bytes = _MAX_FEED_BYTES.get(kind, _READ_BYTES)
        self._errors = _library_errors(kind)
        self._member: _Member | None = None
        self._input = memoryview(b"")
        self._read = 0  # bytes of the compressed data
        self._output = memoryview(b"")
        self._has_members = False

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        if not self.closed:
            self._raw.close()
        super().close()

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # what BufferedReader gives is a memoryview
        while not self._output:
            output = self._next()
            if output is None:
                return 0
            self._output = memoryview(output)
        part, self._output = self._output[: len(buffer)], self._output[len(buffer) :]
        buffer[: len(part)] = part
        return len(part)

    def _next(self) -> bytes | None:
        """The next decompressed bytes, which may be none; None at the end."""
        if self._member is None and not self._begin_member():
            return None
        member = self._member
        assert member is not None  # noqa: S101 - it was begun
        if member.wants_input and not self._input and not self._refill():
            raise UsageError(f"the {self._kind} data are truncated: they end at byte {self._read}", self._name)
        data, self._input = self._input[: self._feed_bytes], self._input[self._feed_bytes :]
        try:
            output = member.feed(data)
        except self._errors as error:
            at = max(0, self._read - len(data) - len(self._input))
            reason = f"the {self._kind} data are damaged, at byte {at} or shortly after it: {error}"
            raise UsageError(reason, self._name) from None
        if member.eof:
            self._input, self._member = memoryview(member.unused_data + bytes(self._input)), None
        return output

    def _begin_member(self) -> bool:
        """Begin the next member. Returns False at the end of the data."""
        while not self._input or self._strip_padding():
            if not self._refill():
                return False
        while len(self._input) < MAGIC_BYTES and self._refill():
            continue
        if not (kind_of(self._input) == self._kind or (self._kind == "zstd" and _is_skippable(self._input))):
            at = self._read - len(self._input)
            raise UsageError(f"what follows the {self._kind} data at byte {at} is no {self._kind} data", self._name)
        self._member, self._has_members = _MEMBERS[self._kind](), True
        return True

    def _strip_padding(self) -> bool:
        """Remove zeros between members from the input. Returns whether nothing is left."""
        if self._has_members and self._input[0] == 0:
            self._input = memoryview(bytes(self._input).lstrip(b"\0"))
        return not self._input

    def _refill(self) -> bool:
        """Read more of the compressed data. Returns False at the end."""
        data = self._raw.read(_READ_BYTES)
        if not data:
            return False
        self._read += len(data)
        self._input = memoryview(bytes(self._input) + data if self._input else data)
        return True
