"""What a Transfer says and is told: requests, heads of answers, and what holds for all of a run's."""

from dataclasses import dataclass, field
from enum import Enum

from msgspec import Struct

from downloader.core.http.credentials import NO_CREDENTIALS, Credentials
from downloader.core.http.guards import NO_GUARDS, Guards
from downloader.core.model import Headers


@dataclass(frozen=True, slots=True)
class TransferPolicy:
    """What holds for every Attempt of a run. Picklable. Times in seconds, speeds in bytes a second; 0 turns a limit off.

    ``may_split``: a file may be fetched in several ranges at the same time, if its server allows it.
    """

    headers: Headers = ()
    credentials: Credentials = NO_CREDENTIALS
    max_redirects: int = 10
    allow_downgrade: bool = False
    timeout: float = 0.0
    low_speed_limit: int = 1
    low_speed_time: float = 30.0
    guards: Guards = NO_GUARDS
    may_split: bool = False
    usual: Headers = field(init=False, repr=False, compare=False)
    secrets: bool = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "usual", with_defaults(self.headers))
        object.__setattr__(self, "secrets", self.credentials != NO_CREDENTIALS)


def with_defaults(headers: Headers) -> Headers:
    """What every request says, and these lines in their order; one of these takes the place of a default of its name."""
    always = (("Accept", "*/*"), ("Accept-Encoding", "identity"))
    return replaced(always, headers)


def replaced(headers: Headers, by: Headers) -> Headers:
    """These lines, in whose place others of the same names come, and those others, in their order."""
    return others(headers, by) + by


def others(headers: Headers, than: Headers) -> Headers:
    """The lines whose names are not among those of ``than``."""
    names = {name.lower() for name, _ in than}
    return tuple(line for line in headers if line[0].lower() not in names)


class Request(Struct, frozen=True):
    """A GET to send, with exactly these headers. Most requests of a run have the very same tuple of headers."""

    url: str
    headers: Headers


class Head(Struct, frozen=True):
    """Status and header lines of an answer, the lines as they came."""

    status: int
    headers: Headers


class HeadAction(Enum):
    """What the driver does after a head."""

    FOLLOW = "follow"
    BODY = "body"
    STOP = "stop"
