"""What earlier runs have left, as far as the scheduler asks: whether the file of a URL is there already."""

from typing import Final, Protocol

from downloader.core.facts import Validator

UNKNOWN: Final = -1
"""No earlier run has completed the file at this path, or nobody knows."""

MISSING: Final = -2
"""An earlier run has completed the file; it does not exist any more."""

RESIZED: Final = -3
"""An earlier run has completed the file; it has another size now."""

NOT_WANTED: Final = -4
"""This run does not fetch the file: it is for files that failed before."""

REFETCHED = {MISSING: "missing", RESIZED: "resized"}
"""Why a file is fetched again: `Result.reason`."""


class EarlierFiles(Protocol):
    """The files of earlier runs. Its length is the number of their URLs."""

    def __len__(self) -> int: ...

    def state_of(self, url: str, path: str) -> int:
        """The size in bytes of the file of this URL, if an earlier run has completed it and its size has not changed.

        Else one of the negative numbers of this module. ``url``: without credentials; ``path``: relative to the folder.
        """

    def version_of(self, url: str, path: str) -> Validator | None:
        """Which version of the file is at ``path``, as the server of this URL named it, to ask for a newer one.

        The ETag may be a weak one. None: not known, or the file has changed since, or the run does not ask.
        """
