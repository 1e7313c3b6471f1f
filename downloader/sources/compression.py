"""Compressed lists: gzip (RFC 1952), Zstandard (RFC 8878) and xz, decompressed while they are read.

Memory does not grow with the list, nor with what a few bytes of it expand to. Data of several members follow each other, as
``cat a.gz b.gz`` makes them. Truncated and damaged data are an error that says at which byte.
"""

import io
import zlib
from typing import Protocol

from downloader.errors import UsageError

MAGIC = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd", b"\xfd7zXZ\x00": "xz"}
"""The first bytes of each kind of data."""

MAGIC_BYTES = 6
_READ_BYTES = 64 * 1024
_ZSTD_READ_BYTES = 1024
"""A call of the Zstandard library returns all that its input expands to, up to 32,000 times as much: little input at a time."""

_MAX_XZ_MEMORY = 512 * 1024 * 1024
_PADDING = b"\0"


def kind_of(head: bytes) -> str:
    """``gzip``, ``zstd`` or ``xz``, by the first bytes of the data; empty: not compressed."""
    return next((kind for magic, kind in MAGIC.items() if head.startswith(magic)), "")


class _Member(Protocol):
    """The decompressor of one member."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def feed(self, data: bytes) -> bytes:
        """Decompress these bytes, and what is left of earlier ones; return at most about `_READ_BYTES` of the result."""

    @property
    def wants_input(self) -> bool:
        """Whether all earlier bytes were used."""


class _Gzip:
    """A member of gzip data."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(wbits=31)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    @property
    def wants_input(self) -> bool:
        return not self._inner.unconsumed_tail

    def feed(self, data: bytes) -> bytes:
        return self._inner.decompress(self._inner.unconsumed_tail + data, _READ_BYTES)


class _Xz:
    """A stream of xz data."""

    def __init__(self) -> None:
        import lzma

        self._inner = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_MAX_XZ_MEMORY)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    @property
    def wants_input(self) -> bool:
        return self._inner.needs_input

    def feed(self, data: bytes) -> bytes:
        return self._inner.decompress(data, _READ_BYTES)


class _Zstd:
    """A frame of Zstandard data."""

    wants_input = True

    def __init__(self) -> None:
        import zstandard

        self._inner = zstandard.ZstdDecompressor().decompressobj()

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def feed(self, data: bytes) -> bytes:
        return self._inner.decompress(data)


_MEMBERS: dict[str, type[_Gzip | _Xz | _Zstd]] = {"gzip": _Gzip, "xz": _Xz, "zstd": _Zstd}


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
        self._read_bytes = _ZSTD_READ_BYTES if kind == "zstd" else _READ_BYTES
        self._errors = _library_errors(kind)
        self._member: _Member | None = None
        self._input = b""
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
        data, self._input = self._input, b""
        try:
            output = member.feed(data)
        except self._errors as error:
            at = max(0, self._read - len(data))
            reason = f"the {self._kind} data are damaged, at byte {at} or shortly after it: {error}"
            raise UsageError(reason, self._name) from None
        if member.eof:
            self._input, self._member = member.unused_data.lstrip(_PADDING), None
        return output

    def _begin_member(self) -> bool:
        """Begin the next member. Returns False at the end of the data."""
        while not self._input:
            if not self._refill():
                return False
            if self._has_members:
                self._input = self._input.lstrip(_PADDING)
        while len(self._input) < MAGIC_BYTES and self._refill(more=True):
            continue
        if kind_of(self._input) != self._kind:
            at = self._read - len(self._input)
            raise UsageError(f"what follows the {self._kind} data at byte {at} is no {self._kind} data", self._name)
        self._member, self._has_members = _MEMBERS[self._kind](), True
        return True

    def _refill(self, more: bool = False) -> bool:
        """Read compressed bytes; with ``more``, add them to those that are there. Returns False at the end."""
        data = self._raw.read(self._read_bytes)
        if not data:
            return False
        self._read += len(data)
        self._input = self._input + data if more else data
        return True
