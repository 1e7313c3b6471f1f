"""Whether a run waits for space in a folder that was full (``--on-full wait``). Pure: times come in as arguments."""

from downloader.errors import DownloadError, FolderFull

FIRST_SPACE_CHECK = 1.0
"""Seconds until the folder is checked for the first time; twice as many each time that it is full again soon after."""

LONGEST_SPACE_CHECK = 30.0
"""Upper bound of that time, seconds."""

SPACE_CHECK_RESET = 60.0
"""Seconds without a full folder after which the first check comes after `FIRST_SPACE_CHECK` again."""

SPACE_RETRY_DELAY = 1e-3
"""Seconds until a Download is tried again that the folder had no space for: at once, when the run goes on."""


class SpaceWait:
    """Whether the run waits for space, and when the folder is checked.

    ``is_waiting``: no Attempt starts; because the folder was full (``is_full``), or because `block` said so.

    Args:
        enabled: ``--on-full wait``; if not, a full folder ends the run.
    """

    def __init__(self, enabled: bool) -> None:
        self._enabled = enabled
        self._needed = 0
        self._pause = FIRST_SPACE_CHECK
        self._check_at = 0.0
        self._resumed_at = float("-inf")
        self._is_blocked = False
        self.is_full = False
        self.is_waiting = False

    def block(self, is_blocked: bool) -> None:
        """Let no Attempt start until this is called again with False. From any thread."""
        self._is_blocked = is_blocked
        self.is_waiting = is_blocked or self.is_full

    def begins(self, error: DownloadError, now: float) -> bool:
        """Wait because of this error, if it is about a full folder; returns False where the error ends the run instead."""
        if not (self._enabled and isinstance(error, FolderFull)):
            return False
        if not self.is_full:
            self.is_full = self.is_waiting = True
            self._needed = 0
            soon = now - self._resumed_at <= SPACE_CHECK_RESET
            self._pause = min(LONGEST_SPACE_CHECK, 2 * self._pause) if soon else FIRST_SPACE_CHECK
            self._check_at = now + self._pause
        self._needed = max(self._needed, error.needed)
        return True

    def is_due(self, now: float) -> bool:
        """Whether it is time to check the folder."""
        return self.is_full and now >= self._check_at

    def check(self, free: int | None, now: float) -> None:
        """Go on if ``free`` bytes are enough. None: the number of free bytes is not known, so only a try can tell."""
        if free is None or free > self._needed:
            self.is_full = False
            self.is_waiting = self._is_blocked
            self._resumed_at = now
        else:
            self._check_at = now + FIRST_SPACE_CHECK

    @property
    def next_check(self) -> float:
        """When the folder is checked next (monotonic seconds); infinite if it was not full."""
        return self._check_at if self.is_full else float("inf")
