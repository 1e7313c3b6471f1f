"""What the Attempts at one file share that write it at once: which bytes are complete, and the sidecar that says so.

Each of them has a `PartFile` of its own, with a descriptor and a position of its own; they are of one process. The lock
on the file (flock) is held by a duplicate of the first one's descriptor, for as long as any of them is at work.
"""

import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from downloader.core.model import ResumeInfo, Span
from downloader.core.spans import merged

SAVE_EVERY = 8 << 20
"""Bytes written until the sidecar is brought up to date, or …"""

SAVE_AFTER = 1.0
"""… seconds: what a kill may cost."""


class SharedPart:
    """The part file of one path, while it is written. Thread-safe, but for what says otherwise.

    ``locked``, ``parent``: descriptors of the file and of its folder; it has duplicates of its own. ``save``: writes the
    sidecar there, given what is held. ``split``: others have joined in, so that there may be gaps.
    """

    def __init__(
        self, locked: int, parent: int, told: ResumeInfo, spans: tuple[Span, ...], save: Callable[[int, ResumeInfo], None]
    ) -> None:
        self.lock = threading.Lock()
        self.locked = os.dup(locked)
        try:
            self._parent = os.dup(parent)
        except OSError:
            os.close(self.locked)
            raise
        self.over = False
        self.users = 1
        self.split = False
        self._told = told
        self._spans = merged(spans)
        self._save = save
        self._unsaved = 0
        self._saved = 0.0

    @property
    def spans(self) -> tuple[Span, ...]:
        """What is complete."""
        return self._spans

    @property
    def held(self) -> ResumeInfo:
        """What an Attempt that joins in may rely on."""
        return self._told._replace(size=0, spans=self._spans or ((0, 0),))

    def write(self, descriptor: int, block: bytes, at: int) -> int:
        """Write a block there, with a descriptor of the caller's, unless the file is over; its bytes. Raises OSError."""
        with self.lock:
            view, stop = memoryview(block), at
            while view and not self.over:
                count = os.pwrite(descriptor, view, stop)
                view, stop = view[count:], stop + count
                self._spans = merged([*self._spans, (at, stop)])
                self._unsaved += count
            late = self._unsaved >= SAVE_EVERY or time.monotonic() - self._saved >= SAVE_AFTER
            if self.split and self._unsaved and late:
                self._record()
            return stop - at

    def _record(self) -> None:
        self._save(self._parent, self.held)
        self._unsaved = 0
        self._saved = time.monotonic()

    def record(self) -> None:
        """From now on the file has gaps, and the sidecar says which. Raises OSError."""
        with self.lock:
            if not self.split:
                self._record()
                self.split = True

    def join(self) -> bool:
        """One more writes. False where all is over. Raises OSError."""
        if self.over or self.users == 0:
            return False
        self.record()
        with self.lock:
            self.users += not self.over
            return not self.over

    def claim(self) -> bool:
        """Whether every byte is there, and nobody has claimed the file before; then nobody writes any more. Raises OSError."""
        with self.lock:
            if self.over or self._spans != ((0, self._told.total),):
                return False
            if self.split:
                self._record()  # for whoever claims it dies before it has its name
            self.over = True
            return True

    def leave(self) -> bool:
        """One has ended; whether it was the last."""
        with self.lock:
            if self.split and not self.over:
                with suppress(OSError):  # what is not recorded is fetched again
                    self._record()
            self.users -= 1
            if self.users == 0:
                os.close(self.locked)
                os.close(self._parent)
            return self.users == 0
