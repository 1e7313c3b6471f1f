"""The values that the parts of the program hand each other.

All are frozen and picklable: they cross process boundaries. Nothing here decides anything.
Times are in seconds, sizes in bytes, paths relative to the folder of the run with ``/`` between components.

Those that are made for each file are msgspec's Structs: one is made in 0.2 µs where a frozen dataclass takes 4.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import TYPE_CHECKING, NamedTuple

from msgspec import Struct

from downloader.core.trace import Trace
from downloader.errors import DownloadError

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Checksum:
    """What a file's bytes must hash to. ``algorithm``: as hashlib names it, or ``sha512|blake2b``; ``digest``: in small hex."""

    algorithm: str
    digest: str


class Download(Struct, frozen=True):
    """A file to download.

    ``out`` and ``dir``: the name and the folder of the file (empty: from the URL). ``mirrors``: further URLs of the same
    file. ``headers``: additional request headers. ``checksums``: digests that the file must have. ``size``: the size in
    bytes that the file must have. ``priority``: a higher number starts earlier, among the Downloads of the same host that
    were already read. ``origin``: the list and the line of the entry.

    ``headers`` may also be a dict, and lists may replace tuples. A run checks all fields before it starts::

        Download("https://example.org/a?id=5", out="a.csv", headers={"Accept": "text/csv"}, size=1000)
    """

    url: str
    out: str = ""
    dir: str = ""
    mirrors: tuple[str, ...] = ()
    headers: Headers = ()
    checksums: tuple[Checksum, ...] = ()
    size: int | None = None
    priority: int = 0
    origin: str = ""

    if TYPE_CHECKING:  # what a caller may give; inside a run each field is of the type above

        def __init__(
            self,
            url: str,
            out: str = "",
            dir: str = "",
            mirrors: Sequence[str] = (),
            headers: Mapping[str, str] | Sequence[tuple[str, str]] = (),
            checksums: Sequence[Checksum] = (),
            size: int | None = None,
            priority: int = 0,
            origin: str = "",
        ) -> None: ...


Span = tuple[int, int]
"""The bytes from the first number to the second, exclusive."""


class Segment(NamedTuple):
    """The bytes ``start`` to ``stop`` (exclusive; None: to the end) of a Download."""

    start: int = 0
    stop: int | None = None


WHOLE = Segment()


class Validator(NamedTuple):
    """What tells one version of a file from another: a strong ETag, or a Last-Modified date. RFC 9110 section 8.8."""

    etag: str = ""
    last_modified: str = ""

    @property
    def if_range(self) -> str:
        """The value for If-Range; empty where no resume may be tried."""
        return self.etag or self.last_modified


class ResumeInfo(NamedTuple):
    """What an earlier Attempt left in the part file. ``total`` and ``digests`` are of the whole, where they were told.

    ``spans``: what is complete of a file that was fetched in segments; without them it is all from the start to ``size``.
    """

    size: int = 0
    validator: Validator = Validator()
    total: int | None = None
    digests: tuple[Checksum, ...] = ()
    spans: tuple[Span, ...] = ()


NOTHING_TO_RESUME = ResumeInfo()


class Existing(NamedTuple):
    """What stands under a final name already."""

    size: int
    modified: float
    is_folder: bool = False


class Attempt(Struct, frozen=True, array_like=True, omit_defaults=True):
    """One try at one Segment from one URL: what the scheduler hands out.

    ``source`` is the Download's first URL (a part file belongs to it, whichever mirror is asked).
    ``fresh``: start at zero, whatever is held. ``probe``: learn the server's name for the file, take no body.
    ``modified_since``: the time of the file that exists, for a conditional request.
    ``repeated``: an earlier worker was lost with this Download in hand, perhaps after it had finished.
    ``check``: the file is there, and is to be fetched only if its checksum is wrong.
    ``beside``: the key of an Attempt at another Segment of the same file that runs now: to be run in the same process.
    ``kept``: the body is returned with the Outcome; there is no file.
    ``mirror``: the URL is not the one whose validator the part file is bound to.
    """

    key: int
    number: int
    url: str
    source: str
    path: str
    segment: Segment = WHOLE
    headers: Headers = ()
    checksums: tuple[Checksum, ...] = ()
    size: int | None = None
    fresh: bool = False
    probe: bool = False
    modified_since: float | None = None
    repeated: bool = False
    check: bool = False
    beside: int | None = None
    mirror: bool = False
    kept: bool = False


class End(Enum):
    """How an Attempt ended."""

    COMPLETE = "complete"
    SEGMENT = "segment"  # its Segment is complete, the file is not
    NOT_MODIFIED = "not modified"
    NAMED = "named"  # a probe learned the server's name for the file
    EXISTS = "exists"  # nothing was asked: the file is there
    RESTART = "restart"  # what was held is of no use: begin again at zero, at once
    FAILED = "failed"
    LOST = "lost"  # the worker died with it
    UNREPORTED = "untold"  # it ended, but the worker died before it could say how
    UNSTARTED = "unstarted"  # it was never begun: costs no try
    INTERRUPTED = "interrupted"


class Returned:
    """What post-processing returned, whatever that is: a value of the user's, which only pickle knows how to carry."""

    __slots__ = ("value",)

    def __init__(self, value: object) -> None:
        self.value = value

    def __repr__(self) -> str:
        return f"Returned({self.value!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Returned) and self.value == other.value

    __hash__ = None  # type: ignore[assignment]  # its value may have none


class Outcome(Struct, frozen=True, array_like=True, omit_defaults=True):
    """How one Attempt ended. ``received`` counts the body bytes that came over the network, ``size`` the file's bytes.

    ``waited``: seconds from the last request to its answer's head; 0 where there was none. ``returned``: by post-processing.
    ``trace``: only of a run that is traced. ``warning``: what is doubtful about a file that was taken all the same. ``reason``:
    why the bytes that are there cannot be continued, with `End.RESTART`.
    """

    key: int
    end: End
    received: int = 0
    size: int = 0
    elapsed: float = 0.0
    status: int = 0
    final_url: str = ""
    etag: str = ""
    path: str = ""
    name: str = ""
    verified: bool = False
    error: DownloadError | None = None
    waited: float = 0.0
    returned: Returned | None = None
    trace: Trace | None = None
    warning: str = ""
    reason: str = ""


class Status(StrEnum):
    """The status of a Download that has ended."""

    DONE = "done"
    SKIPPED = "skipped"
    FAILED = "failed"


class Result(Struct, frozen=True):
    """The result of one Download; each Download has exactly one.

    ``path``: relative to the folder of the run. ``bytes``: the size of the file. ``received``: the bytes that this run
    received for the file. ``http_status``: of the last answer, 0 without one. ``attempts``: the number of Attempts.
    ``elapsed``: the seconds that the Attempts took, without waits. ``reason``: why the Download was skipped: ``exists``,
    ``not modified`` or ``duplicate``. ``verified``: whether a checksum was verified. ``error``: why the Download failed.
    ``value``: what post-processing returned. ``warning``: what is doubtful about the file. URLs contain no credentials,
    except in ``download``.
    """

    url: str
    path: str
    status: Status
    bytes: int = 0
    received: int = 0
    http_status: int = 0
    attempts: int = 0
    elapsed: float = 0.0
    final_url: str = ""
    etag: str = ""
    reason: str = ""
    verified: bool = False
    error: DownloadError | None = None
    download: Download | None = None
    value: object = None
    warning: str = ""

    def __repr__(self) -> str:
        shown = (name for name in self.__struct_fields__ if name != "download")  # which may hold credentials
        return f"Result({', '.join(f'{name}={getattr(self, name)!r}' for name in shown)})"
