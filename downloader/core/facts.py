"""What is known about one file: its bytes, its version, its digests. Small values that Downloads, Attempts and Outcomes carry.

All are immutable and picklable. Nothing here decides anything. Times are in seconds, sizes in bytes.
"""

from typing import NamedTuple

from msgspec import Struct

Headers = tuple[tuple[str, str], ...]


Metadata = tuple[tuple[str, str], ...]
"""What a list says of a file beside what downloads need: names of columns, and their values as text."""


class Checksum(Struct, frozen=True):
    """A digest that the bytes of a file must have.

    ``algorithm``: a name that hashlib knows, or several with ``|`` between them where any of these may be meant
    (``sha512|blake2b``); ``digest``: in lower-case hexadecimal.
    """

    algorithm: str
    digest: str


class Pieces(Struct, frozen=True):
    """The digests of the pieces of a file: they tell which bytes of a damaged file are wrong.

    ``algorithm``: as in `Checksum`; ``length``: bytes of each piece, but for the last one, which may be shorter; ``digests``:
    in lower-case hexadecimal, in the order of the pieces.
    """

    algorithm: str
    length: int
    digests: tuple[str, ...]


Span = tuple[int, int]
"""Bytes of a file: from the first number up to, and without, the second."""


class Segment(NamedTuple):
    """The bytes of a file from ``start`` up to, and without, ``stop`` (None: to the end of the file)."""

    start: int = 0
    stop: int | None = None


WHOLE = Segment()


class Validator(NamedTuple):
    """What distinguishes one version of a file from another: a strong ETag, or a Last-Modified date (RFC 9110 section 8.8)."""

    etag: str = ""
    last_modified: str = ""

    @property
    def if_range(self) -> str:
        """The value for If-Range (RFC 9110 section 13.1.5); empty: the file must not be resumed."""
        return self.etag or self.last_modified


class ResumeInfo(NamedTuple):
    """What an earlier Attempt left in the part file.

    ``size``: bytes of the part file. ``validator``, ``total`` (bytes) and ``digests``: of the whole file, as the server stated
    them; ``total`` None: it did not. ``spans``: the bytes that are there, of a file that was fetched in Segments; empty: all
    bytes from the start to ``size``.
    """

    size: int = 0
    validator: Validator = Validator()
    total: int | None = None
    digests: tuple[Checksum, ...] = ()
    spans: tuple[Span, ...] = ()

    @property
    def resumable_total(self) -> int | None:
        """The length of the version that the part file has; None where single ranges of that version cannot be asked for."""
        return self.total if self.validator.if_range else None


NOTHING_TO_RESUME = ResumeInfo()


class Existing(NamedTuple):
    """What exists under a final name. ``size``: bytes; ``modified``: seconds since the epoch.

    ``is_special``: it is neither a file nor a folder, but a named pipe, a socket or a device.
    """

    size: int
    modified: float
    is_folder: bool = False
    is_special: bool = False


class Timings(NamedTuple):
    """What the last Attempt at a file waited for: seconds from its start until each step was complete; 0: no such step.

    ``dns``: the name was resolved; ``connect``: the connection stood; ``tls``: encryption was agreed on; ``first_byte``: the
    first byte of the head of the answer came; ``total``: the Attempt ended. After a redirect, the last request counts. ``dns``,
    ``connect`` and ``tls`` are 0 where an open connection served again, and always under the strategy ``async``, whose HTTP
    client does not say them.
    """

    dns: float = 0.0
    connect: float = 0.0
    tls: float = 0.0
    first_byte: float = 0.0
    total: float = 0.0


class Try(NamedTuple):
    """One Attempt that failed. ``status``: of its last answer (0: none); ``elapsed``: seconds; ``error``: its message."""

    url: str
    status: int
    elapsed: float
    error: str
