"""What ``sha256sum -z`` writes: records that end in NUL instead of a line end, so that a name may have any other character."""

import io
from collections.abc import Iterator

from downloader.sources.text import MAX_LINE_CHARACTERS

_BLOCK_CHARACTERS = 1 << 16


def has_nul(stream: io.TextIOWrapper) -> bool:
    """Whether the first bytes of a file of checksums, of which nothing was read yet, have records that end in NUL.

    No line of a text in UTF-8 has a NUL; in UTF-16, every second byte may be one.
    """
    return stream.encoding == "utf-8" and b"\0" in stream.buffer.peek(1)  # type: ignore[attr-defined]  # a BufferedReader


def nul_records(stream: io.TextIOWrapper) -> Iterator[str]:
    """The records, without their ends. Each is shorter than a block and `MAX_LINE_CHARACTERS`, else it comes in pieces."""
    stream.reconfigure(newline="\n")  # a name may have a CR
    rest = ""
    while block := stream.read(_BLOCK_CHARACTERS):
        *records, rest = (rest + block).split("\0")
        yield from records
        if len(rest) > MAX_LINE_CHARACTERS:  # no record of a file of checksums, and its end may never come
            yield rest
            rest = ""
    if rest:
        yield rest
