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
    """One wanted file.

    ``out`` and ``dir`` are the wished path (empty: from the URL). ``mirrors`` are further URLs of the same bytes.
    ``priority``: higher starts earlier at its host, among those already read from the list; hosts take turns.
    ``size``: bytes that the file must have. ``origin`` is where it was listed.

    A run takes headers as a dict as well, and lists for tuples; it checks all fields before it starts::

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
    """One try at one Segment of a Download from one URL: the unit of work that the scheduler hands out.

    =====================  =============================================================================================
    field                  meaning
    =====================  =============================================================================================
    ``key``                identifies the Attempt in its Outcome and in the scheduler; unique among the running ones
    ``number``             how many Attempts of this Download were started so far, this one included
    ``url``                the URL to ask
    ``primary_url``        the first URL of the Download: the part file is bound to it, whichever mirror is asked
    ``path``               the final path of the file
    ``segment``            the bytes to fetch
    ``headers``            request headers that the list gave for this Download
    ``checksums``          the digests that the finished file must have
    ``size``               bytes that the finished file must have; None: not known
    ``from_scratch``       ignore what an earlier Attempt left in the part file
    ``is_probe``           only learn the server's name for the file; the body is not read
    ``modified_since``     modification time of the existing file (seconds since the epoch): send If-Modified-Since
    ``may_exist_already``  a worker was lost while it had this Download, and may have finished the file before
    ``verify_existing``    the file exists: fetch it only if a checksum does not match
    ``same_process_as``    key of a running Attempt at another Segment of this file: run this one in the same process
    ``is_alternate_url``   ``url`` is not the URL whose validator the part file is bound to
    ``keep_body``          return the body in the Outcome; write no file
    =====================  =============================================================================================
    """

    key: int
    number: int
    url: str
    primary_url: str
    path: str
    segment: Segment = WHOLE
    headers: Headers = ()
    checksums: tuple[Checksum, ...] = ()
    size: int | None = None
    from_scratch: bool = False
    is_probe: bool = False
    modified_since: float | None = None
    may_exist_already: bool = False
    verify_existing: bool = False
    same_process_as: int | None = None
    is_alternate_url: bool = False
    keep_body: bool = False


class End(Enum):
    """How an Attempt ended. The comments say what the scheduler does next."""

    COMPLETE = "complete"  # the file has its final name: the Download is done
    SEGMENT_DONE = "segment"  # the Segment is complete, other parts of the file are not: the other Segments go on
    NOT_MODIFIED = "not modified"  # 304, or an equal date: the Download is skipped
    NAME_LEARNED = "named"  # a probe learned the server's name for the file: the Download starts under that name
    EXISTS = "exists"  # the file exists and no request was sent: the Download is skipped
    MUST_RESTART = "restart"  # the part file cannot be resumed: an Attempt from byte 0 follows at once, not counted as a retry
    FAILED = "failed"  # with `Outcome.error`: the retry policy decides
    WORKER_LOST = "lost"  # the worker process died while it ran this Attempt: as FAILED with a WorkerError
    UNREPORTED = "untold"  # it ended, but the worker died before it reported how: another Attempt, not counted as a retry
    UNSTARTED = "unstarted"  # the worker returned it, or died before it began: another Attempt, not counted at all
    INTERRUPTED = "interrupted"  # the run was stopped: the Download fails with Interrupted


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

    ``head_latency``: seconds from the last request to the head of its answer; 0 where there was none. ``returned``: by
    post-processing.
    ``trace``: only of a run that is traced. ``warning``: what is doubtful about a file that was taken all the same.
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
    proposed_name: str = ""
    verified: bool = False
    error: DownloadError | None = None
    head_latency: float = 0.0
    returned: Returned | None = None
    trace: Trace | None = None
    warning: str = ""


class Status(StrEnum):
    """How a Download ended."""

    DONE = "done"
    SKIPPED = "skipped"
    FAILED = "failed"


class Result(Struct, frozen=True):
    """How one Download ended: exactly one for each.

    ``bytes`` is the size of the file, ``received`` what came over the network for it in this run, ``elapsed`` the
    seconds its Attempts took (waiting not counted), ``verified`` whether a checksum was known, and held, ``value`` what
    post-processing returned, ``warning`` what is doubtful about the file. URLs are free of credentials, except in ``download``.
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
