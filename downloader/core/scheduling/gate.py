"""A gate: what must be asked of a server before a Download may start, as robots.txt or a checksum.

A `downloader.core.scheduling.gated_scheduler.GatedScheduler` shows each Download that could start to its gates, one after the
other. A gate admits it, refuses it, or parks it until an answer has come. What the gate asks for is fetched by an ordinary
Attempt, with slots, retries and pacing, whose body comes back with the Outcome: a `DownloadState` with ``keep_body``, which has
no Result.
"""

from typing import Protocol

from downloader.core.model import Download, Outcome
from downloader.core.scheduling.download_state import DownloadState
from downloader.errors import DownloadError


class Gate(Protocol):
    """Decides which Downloads may start. ``parked``: number of Downloads that wait for an answer."""

    parked: int

    def admit(self, entry: DownloadState) -> DownloadState | DownloadError | None:
        """Decide about a Download that could start, or about a request of another gate.

        Returns:
            The entry itself, if it may start; the entry of a request that must be made first; an error, if the Download is not
            to be fetched; or None, if it waits for an answer.
        """

    def asked_for(self, entry: DownloadState) -> bool:
        """Whether this gate has asked for this entry, which is no Download of the list."""

    def gives_up(self, entry: DownloadState, error: DownloadError) -> bool:
        """Whether the gate does not want a request to be tried again that has failed with this error."""

    def answered(
        self, entry: DownloadState, outcome: Outcome | None, error: DownloadError | None
    ) -> tuple[list[DownloadState], float]:
        """Record how a request ended.

        Args:
            entry: of the request.
            outcome: with the body, if there is one.
            error: why there is none.

        Returns:
            The Downloads that waited for it, and the seconds between two requests to the server that it asks for; 0: none.
        """


def request_of_gate(key: int, path: str, download: Download, max_bytes: int) -> DownloadState:
    """The entry of a request that a gate makes. ``path``: marks its requests; nothing is written to it."""
    entry = DownloadState(key, download, path, [download.url], True, ())
    entry.from_scratch = True
    entry.keep_body = max_bytes
    return entry


def body_of(outcome: Outcome | None) -> bytes | None:
    """The body that a request of a gate has brought; None if there is none."""
    value = None if outcome is None or outcome.returned is None else outcome.returned.value
    return value if isinstance(value, bytes) else None
