"""One reading of RFC 9112 for the bytes of an HTTP/1.1 answer, whatever library parses them afterwards.

HTTP libraries differ in what they accept. `Framing` stands between the socket and the library: it passes on the same answer in
the simplest form, with only the fields that are used here, and treats everything ambiguous as a ProtocolError. libcurl reads
its sockets itself; it is strict, so `Framing` accepts and refuses the same answers as libcurl. `head_lines` is the grammar of
heads for both. `docs/answers.md` has the table for readers.
"""

import re
from collections.abc import Callable, Sequence

from downloader.core.http.headers import MAX_HEAD_BYTES, read_fields, wanted_lines
from downloader.core.http.messages import Head
from downloader.errors import ProtocolError

_TEXT = r"[^\0\r\n]*+"
_STATUS = rf"HTTP/(?:1\.[01]|[23]) [1-9][0-9][0-9](?: {_TEXT})?"
_FIELD = rf"[!#$%&'*+.^_`|~0-9A-Za-z-]++:{_TEXT}"
_HEAD = rf"{_STATUS}(?:\n{_FIELD}(?:\n[ \t]{_TEXT})*+)*+"  # compiled at its first use, as the next ones
_FOLD = r"\s*\n[ \t]\s*"
_HEAD_END = rb"\n\r?\n"
_LINE_END = rb"\r*\n"
_CHUNK_SIZE = rb"([0-9A-Fa-f]{1,16})(?![0-9A-Fa-f])"
_TRAILER_END = rb"\r?\n"
_INTERIM = frozenset(range(100, 200)) - {101}


def head_lines(text: str) -> tuple[int, list[str]]:
    """Status and field lines of a head whose lines end in LF. Raises ProtocolError for a head that breaks RFC 9112's grammar.

    Folded lines are joined (section 5.2). Refused are: a line that is no field; blanks around the name of a field or before the
    first field (sections 2.2 and 5.1); NUL and bare CR (RFC 9110 section 5.5); another version; no three-digit status.
    """
    if re.fullmatch(_HEAD, text) is None:
        raise ProtocolError("malformed answer: the header section")
    if "\n " in text or "\n\t" in text:
        text = re.sub(_FOLD, " ", text)
    status, *lines = text.split("\n")
    return int(status.split(" ", 2)[1]), lines


_STATUS_LINE = re.compile(_STATUS)
_FIELD_LINE = re.compile(_FIELD)
_REMEMBERED_LINES = 1024
"""Lines of heads that are remembered with their meaning: servers repeat most of them in each answer."""

_statuses: dict[bytes, int] = {}
_fields: dict[bytes, tuple[str, str] | None] = {}


def usual_head(lines: Sequence[bytes]) -> Head | None:
    """The Head of one final answer, from its lines with their ends; None if the lines are not as plain as most are.

    The result is that of `head_lines` and `wanted_lines`, which also take interim answers, folded lines, and lines with other
    ends, and say what is wrong with a head that breaks the grammar.
    """
    if not lines or lines[-1] != b"\r\n":
        return None
    status = _statuses.get(lines[0]) or _remembered_status(lines[0])
    if status < 200:
        return None
    total = 0
    pairs = []
    for line in lines[1:-1]:
        total += len(line)
        try:
            pair = _fields[line]
        except KeyError:
            text = line.decode("latin-1")
            if not text.endswith("\r\n") or _FIELD_LINE.fullmatch(text, 0, len(text) - 2) is None:
                return None
            if len(_fields) >= _REMEMBERED_LINES:
                _fields.clear()
            wanted = wanted_lines((text[:-2],))
            pair = _fields[line] = wanted[0] if wanted else None
        if pair is not None:
            pairs.append(pair)
    return Head(status, tuple(pairs)) if total <= MAX_HEAD_BYTES // 2 else None


def _remembered_status(line: bytes) -> int:
    """The status of a status line; 0 if the line is none."""
    text = line.decode("latin-1")
    if not text.endswith("\r\n") or _STATUS_LINE.fullmatch(text, 0, len(text) - 2) is None:
        return 0
    if len(_statuses) >= _REMEMBERED_LINES:
        _statuses.clear()
    status = _statuses[line] = int(text.split(" ", 2)[1])
    return status


class Framing:
    """One answer, from the first byte of its head to the last of its body, in pieces of any size.

    ``left``: bytes of the body, or of the present chunk, still to come; None: until the connection is closed. ``in_head``:
    whether the head is not complete yet. ``excess``: whether bytes came after the end of the answer (RFC 9112 section 6.3);
    they are dropped, and the connection must not be used again. ``broken``: the error that ends the answer, if there is one.
    """

    def __init__(self) -> None:
        self.left: int | None = 0
        self.in_head = True
        self.excess = False
        self.broken: ProtocolError | None = None
        self._data = b""
        self._count = 0
        self._step: Callable[[Framing], bytes | None] = Framing._head  # bound, it would hold this object in a cycle

    @property
    def verbatim(self) -> bool:
        """Whether the next bytes are passed on unchanged."""
        return not self.in_head and self.left != 0 and self._step is Framing._body

    def feed(self, data: bytes) -> bytes:
        """The bytes to pass on for these bytes. After a malformed byte nothing is passed on, and `broken` says why."""
        if self._step is Framing._body and not self._data and (self.left is None or len(data) <= self.left):
            self.passed(len(data))
            return data
        self._data += data
        pieces: list[bytes] = []
        try:
            while self._data and (piece := self._step(self)) is not None:
                pieces.append(piece)
        except ProtocolError as error:
            self.broken = error
        return b"".join(pieces)

    def passed(self, count: int) -> None:
        """Count bytes of the body that were passed on without `feed`."""
        if self.left is not None:
            self.left -= count

    def _take(self, end: "re.Match[bytes] | None") -> bytes | None:
        """The bytes before this end of a line or head, counted; None if the end has not come yet."""
        if end is None:
            if self._count + len(self._data) > MAX_HEAD_BYTES:
                raise ProtocolError(f"more than {MAX_HEAD_BYTES} bytes of header")
            return None
        self._count += end.end()
        if self._count > MAX_HEAD_BYTES:
            raise ProtocolError(f"more than {MAX_HEAD_BYTES} bytes of header")
        before, self._data = self._data[: end.start()], self._data[end.end() :]
        return before

    def _head(self) -> bytes | None:
        if self._data[:5] != b"HTTP/"[: len(self._data)]:
            raise ProtocolError("malformed answer: not HTTP")
        raw = self._take(re.search(_HEAD_END, self._data))
        if raw is None:
            return None
        text = raw.decode("latin-1").replace("\r\n", "\n").removesuffix("\r")
        status, lines = head_lines(text)
        if text[5] != "1":
            raise ProtocolError("malformed answer: unsupported HTTP version")
        if status in _INTERIM:
            return b""
        self.in_head = False
        pairs = wanted_lines(lines)
        fields = read_fields(pairs)
        self._step = Framing._size if fields.chunked else Framing._body
        self.left = 0 if fields.chunked else fields.length
        kept = [pair for pair in pairs if pair[0].lower() not in ("content-length", "transfer-encoding")]
        kept += [("Connection", line[11:].strip(" \t")) for line in lines if line[:11].lower() == "connection:"]
        if status in (204, 304):  # no body, whatever the fields say (RFC 9112 section 6.3)
            self._step, self.left = Framing._body, 0
        elif fields.chunked:
            kept.append(("Transfer-Encoding", "chunked"))
        elif fields.length is not None:
            kept.append(("Content-Length", str(fields.length)))
        head = "".join(f"{name}: {value}\r\n" for name, value in kept)
        return f"{text[:8]} {status} -\r\n{head}\r\n".encode("latin-1")

    def _body(self) -> bytes:
        piece = self._data if self.left is None else self._data[: self.left]
        self.excess = len(piece) < len(self._data)
        self._data = b""
        self.passed(len(piece))
        return piece

    def _size(self) -> bytes | None:
        """The line before a chunk; extensions after the size are ignored (RFC 9112 section 7.1.1)."""
        line = self._take(re.search(_LINE_END, self._data))
        if line is None:
            return None
        self._count = 0
        match = re.match(_CHUNK_SIZE, line)
        if match is None or (size := int(match[1], 16)) >= 1 << 63:
            raise ProtocolError("malformed answer: invalid chunk size")
        self.left = size
        self._step = Framing._chunk if size else Framing._trailer
        return b""

    def _chunk(self) -> bytes:
        assert self.left is not None  # noqa: S101 - a chunk has a size
        piece, self._data = self._data[: self.left], self._data[self.left :]
        self.left -= len(piece)
        if not self.left:
            self._step = Framing._chunk_end
        return b"%x\r\n%b\r\n" % (len(piece), piece)

    def _chunk_end(self) -> bytes | None:
        data = self._data.lstrip(b"\r")
        if data[:1] not in (b"", b"\n"):
            raise ProtocolError("malformed answer: a chunk is longer than its size")
        self._data = data[1:]
        if data:
            self._step = Framing._size
        return b"" if data else None

    def _trailer(self) -> bytes | None:
        """A line after the last chunk: not used, but the body ends only after the last one (RFC 9112 section 7.1.2)."""
        first = not self._count
        line = self._take(re.search(_TRAILER_END, self._data))
        if line is None:
            return None
        if not line:
            self._step = Framing._body
            return b"0\r\n\r\n"
        if b":" not in line or b"\0" in line or b"\r" in line or (line[:1] in b" \t" and not first):
            raise ProtocolError("malformed answer: invalid trailer")
        return b""
