"""One part file that several Attempts write at the same time: which bytes are complete, and the sidecar that records them.

Each Attempt has its own `PartFile`, with its own descriptor and position; all of them run in one process. A `SharedPart` is
what they have in common. The lock on the file (flock) belongs to a duplicate of the first descriptor, and lasts until the last
Attempt has closed its `PartFile`. `PartFile` is the only user of this module.
"""

import os
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress

from downloader.core.facts import ResumeInfo, Span
from downloader.core.spans import merged, without
from downloader.storage.pieces import write_some

SAVE_BYTES = 8 << 20
"""The sidecar is updated after this many bytes were written, or after …"""

SAVE_SECONDS = 1.0
"""… this many seconds: a kill loses no more than that."""


class SharedPart:
    """The part file of one path, while Attempts write it. Thread-safe.

    ``locked``, ``parent``: descriptors of the locked file and of its folder, which are duplicated. ``info``: what is known of
    the complete file. ``spans``: the bytes that are complete. ``save``: writes the sidecar, given the folder's descriptor and
    what is complete. Raises OSError where the descriptors cannot be duplicated.

    ``may_have_gaps``: a second Attempt has joined, so the complete bytes need not be contiguous.
    ``is_finished``: an Attempt has finished or discarded the file; no Attempt may write to it.
    """

    def __init__(
        self, locked: int, parent: int, info: ResumeInfo, spans: tuple[Span, ...], save: Callable[[int, ResumeInfo], None]
    ) -> None:
        self.lock = threading.Lock()
        self.locked = os.dup(locked)
        try:
            self._parent = os.dup(parent)
        except OSError:
            os.close(self.locked)
            raise
        self.is_finished = False
        self.writers = 1
        self.may_have_gaps = False
        self._info = info
        self._spans = merged(spans)
        self._save = save
        self._unsaved_bytes = 0
        self._saved_at = 0.0  # monotonic seconds

    @property
    def spans(self) -> tuple[Span, ...]:
        """The bytes that are complete."""
        return self._spans

    @property
    def resume_info(self) -> ResumeInfo:
        """What an Attempt that joins needs to know: the validator and size of the file, and the bytes that are complete."""
        return self._info._replace(size=0, spans=self._spans or ((0, 0),))

    def write(self, descriptor: int, pieces: list[bytes], offset: int) -> int:
        """Write the pieces of a block at ``offset`` through the caller's descriptor. Raises OSError.

        Returns the number of bytes written: fewer than the block has if another Attempt finishes the file meanwhile.
        """
        with self.lock:
            stop = offset
            while pieces and not self.is_finished:
                count, pieces = write_some(descriptor, pieces, stop)
                stop += count
                self._spans = merged([*self._spans, (offset, stop)])
                self._unsaved_bytes += count
            is_due = self._unsaved_bytes >= SAVE_BYTES or time.monotonic() - self._saved_at >= SAVE_SECONDS
            if self.may_have_gaps and self._unsaved_bytes and is_due:
                self._save_spans()
            return stop - offset

    def _save_spans(self) -> None:
        self._save(self._parent, self.resume_info)
        self._unsaved_bytes = 0
        self._saved_at = time.monotonic()

    def start_gaps(self) -> None:
        """Record the complete bytes in the sidecar from now on, because the file may get gaps. Raises OSError."""
        with self.lock:
            if not self.may_have_gaps:
                self._save_spans()
                self.may_have_gaps = True

    def add_writer(self) -> bool:
        """Register another Attempt that writes. False if the file is finished or has no writer any more. Raises OSError."""
        if self.is_finished or self.writers == 0:
            return False
        self.start_gaps()
        with self.lock:
            self.writers += not self.is_finished
            return not self.is_finished

    def try_finish(self) -> bool:
        """Finish the file if every byte is complete. True for one caller only; further writes are refused. Raises OSError."""
        with self.lock:
            if self.is_finished or self._spans != ((0, self._info.total),):
                return False
            if self.may_have_gaps:
                self._save_spans()  # in case the process dies before the file has its final name
            self.is_finished = True
            return True

    def remove_bytes(self, wrong: Iterable[Span]) -> None:
        """Record that these bytes of a finished file are wrong. Further writes stay refused. Raises OSError."""
        with self.lock:
            self._spans = without(self._spans, wrong)
            self._save_spans()

    def discard(self) -> None:
        """Refuse all further writes, because the bytes are going to be removed."""
        with self.lock:
            self.is_finished = True

    def remove_writer(self) -> bool:
        """Unregister one writer. True if it was the last; the descriptors are closed then. Never raises."""
        with self.lock:
            if self.may_have_gaps and not self.is_finished:
                with suppress(OSError):  # bytes that are not recorded are fetched again
                    self._save_spans()
            self.writers -= 1
            if self.writers == 0:
                os.close(self.locked)
                os.close(self._parent)
            return self.writers == 0


class SharedParts:
    """The shared part files of one folder. Change ``by_path`` only with ``lock`` acquired."""

    __slots__ = ("by_path", "lock")

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.by_path: dict[str, SharedPart] = {}

    def release(self, path: str, shared: SharedPart) -> None:
        """Unregister one writer of this part file, and forget the part file after the last one."""
        with self.lock:
            if shared.remove_writer() and self.by_path.get(path) is shared:
                del self.by_path[path]
