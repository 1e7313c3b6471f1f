"""What is in an object store when a run begins: one listing, kept as numbers.

A request for each file of a list would cost more than the file. A listing answers 1,000 names with one request. Of each name,
61 bits of a hash are kept, with the size, in 25 to 50 bytes; for ``--on-exists refresh`` the time, too, in as many. So 10
million objects need 270 MB. That one of 10 million new names has the hash of one of 10 million objects, and is therefore
skipped, has a probability of 1 in 20,000.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from downloader.core.facts import Existing
from downloader.core.names.claimed_paths import MAX_NUMBER, HashTable

if TYPE_CHECKING:
    from obstore import ObjectMeta


class ObjectIndex:
    """Size and, with ``keeps_times``, time of each object. ``Existing.modified`` is 0 without."""

    def __init__(self, keeps_times: bool) -> None:
        self._sizes = HashTable()
        self._times = HashTable() if keeps_times else None

    def __len__(self) -> int:
        return len(self._sizes)

    def load(self, pages: "Iterable[Sequence[ObjectMeta]]", is_stopped: Callable[[], bool]) -> None:
        """Take over the pages of a listing; stops early where ``is_stopped``. Raises what the listing raises."""
        sizes, times = self._sizes, self._times
        for page in pages:
            for item in page:
                key = hash(item["path"])
                sizes.put(key, min(item["size"], MAX_NUMBER))
                if times is not None:
                    times.put(key, int(item["last_modified"].timestamp()))
            if is_stopped():
                return

    def find(self, path: str) -> Existing | None:
        """What is known of the object at ``path``; None if there was none."""
        key = hash(path)
        size = self._sizes.get(key)
        if size is None:
            return None
        return Existing(size, float(self._times.get(key) or 0) if self._times is not None else 0.0)
