"""What the Attempts at one file share that write it at once: which bytes are complete, and the sidecar that says so.

Each of them has a `PartFile` of its own, with a descriptor and a position of its own; they are of one process. The lock
on the file (flock) is held by a duplicate of the first one's descriptor, for as long as any of them is at work.
"""

import os
import threading
from collections.abc import Callable
from contextlib import suppress

from downloader.core.model import Held, Span
from downloader.core.segments import joined

SAVE_EVERY = 8 << 20
"""Bytes written until the sidecar is brought up to date: what a kill may cost."""


class Spread:
    """The part file of one path, while it is written. Thread-safe, but for what says otherwise.

    ``parent``: a descriptor of its folder, its own from now on. ``save``: writes the sidecar there, given what is held.
    """

    def __init__(
        self, locked: int, parent: int, told: Held, spans: tuple[Span, ...], save: Callable[[int, Held], None]
    ) -> None:
        self.lock = threading.Lock()
        self.locked = os.dup(locked)
        self._parent = parent
        self.over = False
        self.users = 1
        self.split = bool(spans)
        self._told = told
        self._spans = spans
        self._save = save
        self._unsaved = 0

    @property
    def spans(self) -> tuple[Span, ...]:
        """What is complete."""
        return self._spans

    @property
    def held(self) -> Held:
        """What an Attempt that joins in may rely on."""
        return self._told._replace(size=0, spans=self._spans or ((0, 0),))

    @property
    def complete(self) -> bool:
        """Whether every byte of the file is there."""
        return self._spans == ((0, self._told.total),)

    def wrote(self, start: int, stop: int) -> None:
        """These bytes are in the file now; the caller holds the lock. Raises OSError."""
        if stop > start:
            self._spans = joined([*self._spans, (start, stop)])
            self._unsaved += stop - start
            if self.split and self._unsaved >= SAVE_EVERY:
                self.save()

    def save(self) -> None:
        """Bring the sidecar up to date; the caller holds the lock. Raises OSError."""
        self._unsaved = 0
        self._save(self._parent, self.held)

    def join(self) -> bool:
        """One more writes; from now on the file has gaps, and the sidecar says which. False where all is over."""
        with self.lock:
            if self.over or self.users == 0:
                return False
            self.users += 1
            if not self.split:
                self.split = True
                self.save()
            return True

    def leave(self) -> bool:
        """One has ended; whether it was the last."""
        with self.lock:
            if self.split and not self.over:
                with suppress(OSError):  # what is not recorded is fetched again
                    self.save()
            self.users -= 1
            if self.users == 0:
                os.close(self.locked)
                os.close(self._parent)
            return self.users == 0
