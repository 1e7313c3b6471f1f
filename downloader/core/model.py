"""The values that the parts of the program hand to each other: Download, Attempt, Outcome, Result, and what they consist of.

All are immutable and picklable, as they cross process boundaries. Nothing here decides anything. Times are in seconds, sizes
in bytes; paths are relative to the folder of the run, with ``/`` between their components.

The classes of which there is one object for each file are msgspec Structs: making one takes 0.2 µs, a frozen dataclass 4.
"""

from collections.abc import Mapping, Sequence
from enum import Enum, StrEnum
from typing import TYPE_CHECKING

from msgspec import Struct

from downloader.core.facts import WHOLE, Checksum, Headers, Metadata, Pieces, Segment, Timings, Try
from downloader.core.trace import Trace
from downloader.errors import DownloadError


class Download(Struct, frozen=True):
    """One wanted file.

    =============  =====================================================================================================
    field          meaning
    =============  =====================================================================================================
    ``url``        where it is: an absolute http or https URL
    ``out``        the wanted name or relative path; empty: the name is made from the URL
    ``dir``        the wanted folder, relative to that of the run
    ``mirrors``    further URLs of the same bytes
    ``headers``    request headers for this file, as pairs of name and value
    ``checksums``  the digests that the file must have
    ``size``       the size that the file must have; None: any
    ``priority``   a higher number starts earlier at its host, among the Downloads that were already read from the list
    ``origin``     where it was listed, for messages: ``urls.txt:12``
    ``pieces``     the digests of its pieces, to fetch only wrong pieces again; None: not known
    ``metadata``   what else the list says of it: pairs of a column's name and a value, for reports and names
    ``index``      its position in the list, from 1, for names; 0: its position among the Downloads of the run
    =============  =====================================================================================================

    The functions of the package accept a dict for ``headers``, and lists for tuples; they check all fields before the run::

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
    pieces: Pieces | None = None
    metadata: Metadata = ()
    index: int = 0

    if TYPE_CHECKING:  # what a caller may pass; inside a run each field has the type above

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
            pieces: Pieces | None = None,
            metadata: Mapping[str, str] | Sequence[tuple[str, str]] = (),
            index: int = 0,
        ) -> None: ...


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
    ``keep_body``          return so many bytes of the body in the Outcome, and write no file; 0: write a file
    ``pieces``             the digests of the pieces of the file; None: not known
    ``etag``               ETag of the existing file: send If-None-Match; empty: not known
    ``replaces_existing``  a file that exists at the path is not the one that an earlier run has left there: replace it
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
    keep_body: int = 0
    pieces: Pieces | None = None
    etag: str = ""
    replaces_existing: bool = False


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
    MAYBE_STARTED = "maybe started"  # the worker died, perhaps before it began: another Attempt, not counted at all
    UNSTARTED = "unstarted"  # the worker returned it, or died before it began: another Attempt, not counted at all
    INTERRUPTED = "interrupted"  # the run was stopped: the Download fails with Interrupted


class Returned:
    """A value that post-processing returned. It may be of any type that pickle can transfer."""

    __slots__ = ("value",)

    def __init__(self, value: object) -> None:
        self.value = value

    def __repr__(self) -> str:
        return f"Returned({self.value!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Returned) and self.value == other.value

    __hash__ = None  # type: ignore[assignment]  # its value may have none


class Outcome(Struct, frozen=True, array_like=True, omit_defaults=True):
    """How one Attempt ended.

    =================  ==================================================================================================
    field              meaning
    =================  ==================================================================================================
    ``key``            of the Attempt
    ``end``            how it ended
    ``received``       body bytes that came over the network
    ``size``           bytes of the file so far
    ``elapsed``        seconds from its start to its end
    ``status``         of the last answer; 0: there was none
    ``final_url``      the URL after redirects
    ``etag``           ETag of the last answer
    ``path``           the path of the file
    ``proposed_name``  the server's name for the file, from a probe
    ``verified``       at least one checksum was known, and all matched
    ``error``          why it failed
    ``head_latency``   seconds from the last request to the head of its answer; 0: there was none
    ``returned``       what post-processing returned
    ``trace``          when and where it ran; only of a run that is traced
    ``warning``        what is doubtful about a file that is done
    ``reason``         why the part file cannot be resumed, with `End.MUST_RESTART`
    ``last_modified``  the server's time of the file, as it sent it
    ``digests``        digests that were computed of the whole file, checked or recorded
    ``redirects``      the URLs of the answers that led elsewhere, in order
    ``timings``        what it waited for; None: not measured
    =================  ==================================================================================================
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
    reason: str = ""
    last_modified: str = ""
    digests: tuple[Checksum, ...] = ()
    redirects: tuple[str, ...] = ()
    timings: Timings | None = None


class Status(StrEnum):
    """How a Download ended."""

    DONE = "done"
    SKIPPED = "skipped"
    FAILED = "failed"


class Result(Struct, frozen=True):
    """How one Download ended. There is exactly one Result for each Download that was started.

    ================  ==================================================================================================
    field             meaning
    ================  ==================================================================================================
    ``url``           the first URL of the Download
    ``path``          the path of the file, relative to the folder of the run
    ``status``        ``done``, ``skipped`` or ``failed``
    ``bytes``         size of the file, where it is done or exists; else 0
    ``received``      body bytes that came over the network for it in this run: less than ``bytes`` where it was resumed,
                      more where bytes were fetched twice
    ``http_status``   of the last response; 0: there was none
    ``attempts``      how many Attempts were made
    ``elapsed``       seconds that these took together, without the time between them
    ``final_url``     the URL after redirects
    ``etag``          ETag of the last response
    ``reason``        why it was skipped: ``exists`` (a file of that name), ``not modified`` (since the file that exists was
                      written), or ``duplicate`` (the same URL was listed before); why a file that an earlier run had
                      completed was fetched again: ``missing`` or ``resized`` (its size on disk had changed); else empty
    ``verified``      at least one checksum was known, and all matched
    ``error``         why it failed
    ``download``      where it failed: the Download, to try it again
    ``value``         what post-processing returned
    ``warning``       what is doubtful about a file that is done
    ``last_modified`` the server's time of the file, as it sent it
    ``digests``       digests that were computed of the whole file, checked or recorded
    ``redirects``     the URLs of the answers that led elsewhere, in order
    ``timings``       of the last Attempt; None: not measured
    ``queued``        seconds from reading the entry of the list until its first Attempt began
    ``tries``         the Attempts that failed
    ``origin``        where it was listed: ``urls.txt:12``
    ``metadata``      what else the list says of it
    ``is_recorded``   the journal has said all this already, so it records nothing
    ================  ==================================================================================================

    URLs are without credentials, except in ``download``.
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
    last_modified: str = ""
    digests: tuple[Checksum, ...] = ()
    redirects: tuple[str, ...] = ()
    timings: Timings | None = None
    queued: float = 0.0
    tries: tuple[Try, ...] = ()
    origin: str = ""
    metadata: Metadata = ()
    is_recorded: bool = False

    def __repr__(self) -> str:
        shown = (name for name in self.__struct_fields__ if name != "download")  # which may hold credentials
        return f"Result({', '.join(f'{name}={getattr(self, name)!r}' for name in shown)})"
