"""Whether a server's /robots.txt lets us have a file: Downloads wait here until that is known (`--obey-robots`)."""

from dataclasses import dataclass, field

from downloader.core.http.robots import Rules, parse
from downloader.core.model import Download, Outcome
from downloader.core.names.urls import host_of, public_url
from downloader.core.scheduling.download_state import DownloadState
from downloader.errors import AuthError, DownloadError, HTTPStatusError, PolicyError

_FIRST_KEY = -(1 << 40)
"""Keys of what is asked for here count up from it: no Download has one, and no Segment."""

_NO_NAME = "robots.txt.part"
"""No Download has such a path. Nothing is written to it."""


@dataclass(slots=True)
class _Site:
    """What is known of one server. ``rules``: None until its answer has come; ``refusal``: why it may not be asked at all."""

    rules: Rules | None = None
    refusal: str = ""
    parked: list[DownloadState] = field(default_factory=list)


class Permission:
    """The robots.txt of each server of a run. ``agent``: our product token."""

    def __init__(self, agent: str) -> None:
        self._agent = agent
        self._sites: dict[str, _Site] = {}
        self.parked = 0

    def look(self, entry: DownloadState) -> DownloadState | DownloadError | None:
        """What to do about a Download that could start: the entry to queue (it, or its server's robots.txt).

        An error: none of its URLs is allowed. None: it waits here for an answer. A URL that is forbidden is left out.
        """
        if entry.is_robots_txt:
            return entry
        error: DownloadError | None = None
        while entry.urls:
            url = entry.url
            origin = "/".join(url.split("/", 3)[:3])
            site = self._sites.get(origin)
            if site is None or site.rules is None:
                return self._park(entry, origin, site)
            if not site.refusal and site.rules.allows(url):
                return entry
            why = site.refusal or f"robots.txt of {host_of(url)} forbids it"
            error = error or PolicyError(why, public_url(url))
            if len(entry.urls) == 1:
                break
            entry.urls.remove(url)
        return error

    def _park(self, entry: DownloadState, origin: str, site: _Site | None) -> DownloadState | None:
        entry.alone = True  # no other server is asked for a part of it: it would not be looked at here
        self.parked += 1
        if site is not None:
            site.parked.append(entry)
            return None
        key, url = _FIRST_KEY + len(self._sites), f"{origin}/robots.txt"
        self._sites[origin] = _Site(parked=[entry])
        return DownloadState(key, Download(url), _NO_NAME, [url], True, (), from_scratch=True, is_robots_txt=True)

    def answered(
        self, asked: DownloadState, outcome: Outcome | None, error: DownloadError | None
    ) -> tuple[list[DownloadState], float]:
        """A robots.txt has come, or will not: those that waited for it, and the seconds between two requests there.

        RFC 9309 section 2.3.1: 4xx allows all; where the server cannot be asked, or answers 5xx, nothing is allowed.
        """
        site = self._sites["/".join(asked.url.split("/", 3)[:3])]
        site.rules = Rules()
        unavailable = isinstance(error, AuthError | HTTPStatusError) and 400 <= error.status < 500 and error.status != 429
        if error is not None and not unavailable:
            site.refusal = f"robots.txt of {host_of(asked.url)} cannot be read: {error.reason}"
        elif outcome is not None and outcome.returned is not None and isinstance(outcome.returned.value, bytes):
            site.rules = parse(outcome.returned.value, self._agent)
        parked, site.parked = site.parked, []
        self.parked -= len(parked)
        return parked, site.rules.delay
