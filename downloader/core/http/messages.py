"""What goes into a Transfer and comes out: requests, the heads of answers, and the policy that all Transfers of a run share."""

from enum import Enum

from msgspec import Struct, field
from msgspec.structs import force_setattr

from downloader.core.facts import Headers
from downloader.core.http.credentials import NO_CREDENTIALS, Credentials
from downloader.core.http.guards import NO_GUARDS, Guards


class TransferPolicy(Struct, frozen=True):
    """What holds for every Attempt of a run. Picklable. Times in seconds, speeds in bytes a second; 0 turns a limit off.

    ``timeout``: for one Attempt; ``may_split``: a file may be fetched in several ranges at the same time, if its server allows
    it; ``default_headers``: what a request sends that has no headers of its own; ``has_credentials``: whether any are known;
    ``elsewhere``: what holds after a redirect to another origin; None: the same.
    """

    headers: Headers = ()
    credentials: Credentials = NO_CREDENTIALS
    max_redirects: int = 10
    allow_downgrade: bool = False
    timeout: float = 0.0
    low_speed_limit: int = 1
    low_speed_time: float = 30.0
    guards: Guards = field(default_factory=lambda: NO_GUARDS)  # a compiled Guards is not frozen: no default for msgspec
    may_split: bool = False
    elsewhere: "TransferPolicy | None" = None
    default_headers: Headers = ()  # this and the next one follow from the others
    has_credentials: bool = False

    def __post_init__(self) -> None:
        force_setattr(self, "default_headers", with_defaults(self.headers))
        force_setattr(self, "has_credentials", self.credentials != NO_CREDENTIALS)


def with_defaults(headers: Headers) -> Headers:
    """The default headers and these, in their order. A header takes the place of a default of the same name."""
    defaults = (("Accept", "*/*"), ("Accept-Encoding", "identity"))
    return replaced(defaults, headers)


def replaced(headers: Headers, by: Headers) -> Headers:
    """``headers`` without those whose names ``by`` has, and then ``by``."""
    return not_named_in(headers, by) + by


def not_named_in(headers: Headers, others: Headers) -> Headers:
    """The headers whose names ``others`` does not have. Names are compared without regard to case."""
    names = {name.lower() for name, _ in others}
    return tuple(line for line in headers if line[0].lower() not in names)


class Request(Struct, frozen=True):
    """A GET to send, with exactly these headers. Most requests of a run share one tuple of headers."""

    url: str
    headers: Headers


class Head(Struct, frozen=True):
    """The status and the header lines of an answer, as they came."""

    status: int
    headers: Headers


class HeadAction(Enum):
    """What a Transfer wants after the head of an answer: see `Transfer.on_head`."""

    FOLLOW = "follow"
    BODY = "body"
    STOP = "stop"
