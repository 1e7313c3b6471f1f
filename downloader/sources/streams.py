"""Opens lists: a file, a pipe or standard input, decompressed, with the format that its first bytes tell."""

import io
import stat
import sys
from pathlib import Path
from typing import IO, NamedTuple, cast

from downloader.errors import UsageError
from downloader.settings.definitions import ListFormat
from downloader.sources.formats import STDIN, FetchedList, format_of_name
from downloader.sources.recognition import MAGIC_BYTES, check_format, kind_of, recognise

HEAD_BYTES = 64 * 1024
"""Bytes at the beginning of a list by which its format is told, at most."""


class OpenedList(NamedTuple):
    """A list to read.

    ``stream``: its bytes, decompressed; ``format``: its name in `downloader.sources.formats.FORMATS`; ``url``: where it was
    fetched from, after redirects; empty: it was not.
    """

    stream: io.BufferedReader
    format: ListFormat
    url: str = ""


class _Resumed(io.RawIOBase):
    """A raw stream whose first bytes were read already."""

    def __init__(self, head: bytes, rest: io.RawIOBase) -> None:
        self._head, self._rest = memoryview(head), rest

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        if not self.closed:
            self._rest.close()
        super().close()

    def readinto(self, buffer: memoryview) -> int | None:  # type: ignore[override]  # what BufferedReader gives is a memoryview
        if not self._head:
            return self._rest.readinto(buffer)
        part, self._head = self._head[: len(buffer)], self._head[len(buffer) :]
        buffer[: len(part)] = part
        return len(part)


def opened_list(item: "str | Path", wanted: ListFormat) -> OpenedList:
    """Open the list at a path, or standard input (``-``), which may be compressed. Raises UsageError.

    ``wanted``: its format; ``auto``: by its name or its content. Of a stream, no more is read than its first lines.
    """
    raw = _standard_input() if item == STDIN else open_file(item)
    return _opened(raw, str(item), str(item), wanted, item != STDIN and stat.S_ISREG(Path(item).stat().st_mode))


def _standard_input() -> io.FileIO:
    if sys.stdin is None:
        raise UsageError("standard input is closed: there is no list")
    return io.FileIO(sys.stdin.fileno(), closefd=False)


def fetched_list(fetched: FetchedList, name: str, wanted: ListFormat) -> OpenedList:
    """`opened_list` for a list that was fetched. ``name``: for messages."""
    path = fetched.url.partition("?")[0].partition("#")[0]
    return _opened(cast(io.RawIOBase, fetched.stream), name, path, wanted, seekable=True)._replace(url=fetched.url)


def _opened(raw: io.RawIOBase, name: str, path: str, wanted: ListFormat, seekable: bool) -> OpenedList:
    """The list of this stream. ``name``: for messages; ``path``: the format may be told by its end."""
    try:
        head = _read_at_least(raw, b"", MAGIC_BYTES)
        kind = kind_of(head)
        if kind:
            from downloader.sources.compression import Decompressed  # here: few lists need it

            raw, seekable = Decompressed(kind, _Resumed(head, raw), name), False
            head = _read_at_least(raw, b"", MAGIC_BYTES)
        found = wanted
        if wanted == "auto":
            at_end = not head
            while (recognised := recognise(head, at_end, format_of_name(path), name)) is None:
                size = len(head)
                head = _read_at_least(raw, head, size + 1)
                at_end = len(head) in (size, HEAD_BYTES)
            found = recognised
        else:
            check_format(head, wanted, name)
        if seekable:
            raw.seek(0)
            return OpenedList(io.BufferedReader(raw), found)
        return OpenedList(io.BufferedReader(_Resumed(head, raw), HEAD_BYTES), found)
    except BaseException:
        raw.close()
        raise


def _read_at_least(raw: io.RawIOBase, head: bytes, minimum: int) -> bytes:
    """``head``, and what follows, until there are ``minimum`` bytes of it or the stream ends. Never waits for more."""
    while len(head) < min(minimum, HEAD_BYTES) and (data := raw.read(HEAD_BYTES - len(head))):
        head += data
    return head


def open_file(item: "str | Path", what: str = "the list") -> io.FileIO:
    """Open a file that the user named. ``what``: for messages. Raises UsageError with a hint."""
    path = Path(item)
    try:
        stream = io.FileIO(path)
    except OSError as error:
        reason = "it is a folder" if isinstance(error, IsADirectoryError) else error.strerror
        raise UsageError(f"cannot read {what} {str(item)!r}: {reason}", hint=_hint_for(path, what)) from None
    return stream


def _hint_for(path: Path, what: str) -> str:
    """A hint for a list that cannot be read: the file with the most similar name, or what a list may be."""
    try:
        names = [entry.name for entry in path.parent.iterdir()] if not path.exists() else []
    except OSError:
        names = []
    import difflib  # here: few runs need it

    similar = difflib.get_close_matches(path.name, names, n=1)
    if similar:
        return f"did you mean {path.parent / similar[0]}?"
    return "a LIST is a file, - or a URL that begins with http:// or https://" if what == "the list" else ""


def decoded(stream: IO[bytes], newline: str | None = None) -> io.TextIOWrapper:
    """The text of a list: UTF-16 with a byte order mark, else UTF-8. Bytes that are no text become lone surrogates.

    ``newline``: as for `open`.
    """
    buffered = stream if isinstance(stream, io.BufferedReader) else io.BufferedReader(cast(io.RawIOBase, stream))
    is_utf_16 = buffered.peek(2)[:2] in (b"\xff\xfe", b"\xfe\xff")
    return io.TextIOWrapper(buffered, "utf-16" if is_utf_16 else "utf-8", "surrogateescape", newline)
