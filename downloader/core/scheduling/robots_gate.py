"""Whether robots.txt allows a Download (``--obey-robots``, RFC 9309). Downloads wait here until their server's is known."""

from dataclasses import dataclass, field

from downloader.core.http.robots import MAX_BYTES, Rules, parse
from downloader.core.model import Download, Outcome
from downloader.core.names.urls import host_of, public_url
from downloader.core.scheduling.download_state import DownloadState
from downloader.core.scheduling.gate import body_of, request_of_gate
from downloader.errors import AuthError, DownloadError, HTTPStatusError, PolicyError

_FIRST_ROBOTS_KEY = -(1 << 40)
"""The keys of requests for robots.txt count up from here: no Download and no Segment has such a key."""

_ROBOTS_PATH = "robots.txt.part"
"""The path of these requests. No Download has a path that ends in ``.part``, and nothing is written to it."""


@dataclass(slots=True)
class _Site:
    """One server. ``rules``: None until its answer came; ``refusal``: why nothing of it may be fetched, if so."""

    rules: Rules | None = None
    refusal: str = ""
    parked: list[DownloadState] = field(default_factory=list)


class RobotsGate:
    """The robots.txt of each server of a run.

    ``parked``: number of Downloads that wait for an answer.

    Args:
        agent: the product token that the rules are matched with.
    """

    def __init__(self, agent: str) -> None:
        self._agent = agent
        self._sites: dict[str, _Site] = {}
        self.parked = 0

    def asked_for(self, entry: DownloadState) -> bool:
        """Whether this is a request for a robots.txt."""
        return bool(entry.keep_body) and entry.path == _ROBOTS_PATH

    def gives_up(self, entry: DownloadState, error: DownloadError) -> bool:
        """A robots.txt is tried again as a file is: without it, nothing of its server is fetched."""
        return False

    def admit(self, entry: DownloadState) -> DownloadState | DownloadError | None:
        """Decide about a Download that could start. URLs that are forbidden are removed from it, up to the last one.

        Returns:
            The entry itself, if it may start; the entry of its server's robots.txt, which must be fetched first; an error,
            if none of its URLs is allowed; or None, if it waits for an answer.
        """
        if self.asked_for(entry):
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
            reason = site.refusal or f"robots.txt of {host_of(url)} forbids it"
            error = error or PolicyError(reason, public_url(url))
            if len(entry.urls) == 1:
                break
            entry.urls.remove(url)
        return error

    def _park(self, entry: DownloadState, origin: str, site: _Site | None) -> DownloadState | None:
        entry.single_source = True  # Segments start without a look at robots.txt: no mirror may be asked for one
        self.parked += 1
        if site is not None:
            site.parked.append(entry)
            return None
        key, url = _FIRST_ROBOTS_KEY + len(self._sites), f"{origin}/robots.txt"
        self._sites[origin] = _Site(parked=[entry])
        return request_of_gate(key, _ROBOTS_PATH, Download(url), MAX_BYTES)

    def answered(
        self, entry: DownloadState, outcome: Outcome | None, error: DownloadError | None
    ) -> tuple[list[DownloadState], float]:
        """Record how the request for a robots.txt ended.

        RFC 9309 section 2.3.1: a 4xx status allows everything; a 5xx status, or no answer, allows nothing. 429 is treated
        like 5xx.

        Args:
            entry: of the robots.txt.
            outcome: with the body, if there is one.
            error: why there is none.

        Returns:
            The Downloads that waited for it, and the Crawl-delay, in seconds.
        """
        site = self._sites["/".join(entry.url.split("/", 3)[:3])]
        site.rules = Rules()
        unavailable = isinstance(error, AuthError | HTTPStatusError) and 400 <= error.status < 500 and error.status != 429
        if error is not None and not unavailable:
            site.refusal = f"robots.txt of {host_of(entry.url)} cannot be read: {error.reason}"
        elif (body := body_of(outcome)) is not None:
            site.rules = parse(body, self._agent)
        parked, site.parked = site.parked, []
        self.parked -= len(parked)
        return parked, site.rules.delay
