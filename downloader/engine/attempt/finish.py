"""The end of an exchange: a file that is complete is verified, processed where that was asked for, and gets its name."""

import math
import os
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path

from downloader.core.http.transfer import Transfer
from downloader.engine.attempt.commands import Answer, Call, Command, Substeps
from downloader.engine.attempt.postprocess import process
from downloader.engine.contract import WorkerConfig
from downloader.engine.control import Cut
from downloader.engine.rate_limiter import RateLimiter
from downloader.engine.stats import SlotStats
from downloader.errors import DownloadError, ProcessError
from downloader.storage.checksum import ChecksumVerifier
from downloader.storage.folder import Folder
from downloader.storage.part import PartFile
from downloader.storage.processing_guard import ProcessingGuard
from downloader.storage.publish import publish_block


@dataclass(slots=True)
class File:
    """The part file of an Attempt, with what is known of its bytes, and where it is told how far it is."""

    part: PartFile
    folder: Folder
    stats: SlotStats
    cut: Cut
    key: int
    segment_stop: int | None
    clock: Callable[[], float]
    config: WorkerConfig
    rate_limiter: RateLimiter | None
    verifier: ChecksumVerifier | None = None
    flushed: float = 0.0

    @property
    def stop(self) -> float:
        """The offset where the Attempt must end, by its Segment or by order of the run; infinite: at the end of the file."""
        stop = self.cut.stop_of(self.key)
        stop = self.segment_stop if stop is None else stop
        return math.inf if stop is None else stop


def finish(transfer: Transfer, file: File) -> Generator[Command, Answer, str]:
    """Verify, and give the file its name; the path it got."""
    part, config = file.part, file.config
    block = b"" if part.is_open else part.take()
    if transfer.digests:
        verifier = file.verifier
        if not part.is_open:
            verifier = verifier or ChecksumVerifier(transfer.digests)
            verifier.update(block)
        elif (
            verifier is None or verifier.count != transfer.size or part.may_have_gaps
        ):  # it came in pieces, or was there already
            verifier = again = ChecksumVerifier(transfer.digests)
            yield Call(lambda: again.hash_existing(part.descriptor, transfer.size), long=True)
        verifier.verify(transfer.public)
    if config.process:
        yield from _process(transfer, file, block)
    modified = transfer.last_modified if config.mtime else None
    replace = transfer.attempt.verify_existing or config.on_exists not in ("skip", "fail")
    number = config.on_exists == "rename"
    if not part.is_open:
        path = publish_block(file.folder, transfer.attempt.path, block, modified, number) if number or not replace else None
        if path is not None:
            return path
        part.open(0)
        part.write(block)
    return part.commit(modified, number, replace)


def _process(transfer: Transfer, file: File, block: bytes) -> Substeps:
    """Lend the finished part to the user's function. Where that fails, and has changed nothing, the part is kept."""
    part, function = file.part, file.config.process
    if not part.is_open:
        part.open(0)
        part.write(block)
    where = Path(file.config.root, part.path)
    guard = ProcessingGuard(part)

    def call() -> None:
        transfer.returned = process(function, where, transfer.public)

    try:
        yield Call(call, long=True)
    except DownloadError as error:
        if isinstance(error, ProcessError) and guard.is_unchanged:
            part.write_sidecar(transfer.promised)
        else:
            part.discard()
        raise
    try:
        guard.take_over()
    except (DownloadError, OSError) as error:
        part.close()
        raise ProcessError(f"processing failed: {function} left no part file", transfer.public) from error
    transfer.size = os.fstat(part.descriptor).st_size
