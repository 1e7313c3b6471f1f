"""Whether a run waits for space in a folder that was full (`--on-full wait`). Pure: times come in as arguments."""

from downloader.errors import DownloadError, FolderFull

FIRST_PAUSE = 1.0
"""Seconds until a folder that was full is looked at again; twice as many each time that it was full again at once."""


LONGEST_PAUSE = 30.0


CALM = 60.0
"""Seconds after which a folder that is full again begins with the first pause."""


FULL_AGAIN = 1e-3
"""Seconds: what the folder had no room for is tried again as soon as the run goes on."""


class SpaceWait:
    """Whether a run waits for space in a folder that was full (``--on-full wait``)."""

    def __init__(self, wanted: bool) -> None:
        self._wanted = wanted
        self._needed = 0
        self._pause = FIRST_PAUSE
        self._look_at = 0.0
        self._went_on = float("-inf")
        self.waits = False

    def takes(self, error: DownloadError, now: float) -> bool:
        """Whether the run waits because of this error, rather than end."""
        if not (self._wanted and isinstance(error, FolderFull)):
            return False
        if not self.waits:
            self.waits = True
            self._needed = 0
            self._pause = FIRST_PAUSE if now - self._went_on > CALM else min(LONGEST_PAUSE, 2 * self._pause)
            self._look_at = now + self._pause
        self._needed = max(self._needed, error.needed)
        return True

    def is_due(self, now: float) -> bool:
        """Whether it is time to look at the folder."""
        return self.waits and now >= self._look_at

    def look(self, room: int | None, now: float) -> None:
        """So many bytes are free in the folder now; None: that is not known, and only a try can tell."""
        if room is None or room > self._needed:
            self.waits = False
            self._went_on = now
        else:
            self._look_at = now + FIRST_PAUSE

    @property
    def due(self) -> float:
        """When to look again: monotonic seconds."""
        return self._look_at
