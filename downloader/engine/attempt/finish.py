"""The end of an Attempt: a complete file is verified, processed if that is set, and gets its name."""

import os
from collections.abc import Generator
from pathlib import Path

from downloader.core.http.transfer import Transfer
from downloader.core.model import Returned
from downloader.core.names.exists_policy import ON_EXISTS
from downloader.engine.attempt.commands import Answer, Call, Command, Substeps
from downloader.engine.attempt.postprocess import process
from downloader.engine.attempt.workspace import Workspace
from downloader.errors import DownloadError, Interrupted, ProcessError, StorageError
from downloader.storage.folder import NAMES_PER_SAMPLE
from downloader.storage.part import PartFile
from downloader.storage.processing_guard import ProcessingGuard


def finish(transfer: Transfer, work: Workspace) -> Generator[Command, Answer, str]:
    """Verify and process the file, and give it its name. Returns its path; empty if another file has taken the name."""
    part, config, folder = work.part, work.context.config, work.context.folder
    block = b"" if part.is_open else part.take()
    if transfer.digests or config.digest or transfer.attempt.pieces is not None:
        from downloader.engine.attempt.verification import verify  # here: few runs need it

        yield from verify(transfer, work, block)
    if config.process:
        yield from _process(transfer, work, block)
    try:
        if folder.is_slow and (folder.is_remote or not part.is_shared):  # shared: large, and its lock may be one of greenlets
            return (yield from _name_in_thread(transfer, work, block))
        folder.named_in_line += 1
        if folder.named_in_line % NAMES_PER_SAMPLE:
            return _name(transfer, work, block)
        return _name_measured(transfer, work, block)
    except FileExistsError as error:
        if folder.is_remote and transfer.attempt.may_exist_already:  # a worker that is lost had uploaded the file
            part.discard()
            return transfer.attempt.path
        if ON_EXISTS[config.on_exists].fails:
            raise StorageError("the file was created meanwhile", transfer.public_url, "see --on-exists") from error
        transfer.name_taken()
        part.discard()
        return ""


def _name_in_thread(transfer: Transfer, work: Workspace, block: bytes) -> Generator[Command, Answer, str]:
    """Write and name the file in one call, so that an event loop fetches other files while this one waits for the storage."""
    paths: list[str] = []
    try:
        yield Call(lambda: paths.append(_name_measured(transfer, work, block)), long=True, waits=True)
    except Interrupted:
        if not paths:
            raise
    if work.context.folder.is_remote:
        work.part.discard()
    return paths[0]  # also if the run was stopped meanwhile: the file has its name


def _name_measured(transfer: Transfer, work: Workspace, block: bytes) -> str:
    """As `_name`; and the folder is told how long it took."""
    clock = work.context.clock
    began = clock()
    path = _name(transfer, work, block)
    work.context.folder.naming_took(clock() - began)
    return path


def _name(transfer: Transfer, work: Workspace, block: bytes) -> str:
    """Give the file its name. Returns its path. Raises FileExistsError if the name is taken and must not be replaced."""
    part, config = work.part, work.context.config
    policy = ON_EXISTS[config.on_exists]
    modified = transfer.last_modified if config.mtime else None
    replaces = policy.replaces or transfer.attempt.verify_existing or transfer.attempt.replaces_existing
    return work.context.folder.publish(part, block, transfer, modified, policy.numbers, replaces)


def _write_part(part: PartFile, block: bytes) -> None:
    """Write a part file for a body that is complete."""
    part.open(0)
    part.write(block)


def _process(transfer: Transfer, work: Workspace, block: bytes) -> Substeps:
    """Give the finished part file to the user's function. If that fails and has changed nothing, the part file is kept."""
    part, config, folder = work.part, work.context.config, work.context.folder
    function = config.process
    if not part.is_open:
        if folder.local.is_slow:
            yield Call(lambda: _write_part(part, block), long=True, waits=True)
        else:
            _write_part(part, block)
    where = Path(folder.local.root if folder.is_remote else config.root, part.path)
    guard = ProcessingGuard(part)
    returned: list[Returned] = []
    try:
        yield Call(lambda: returned.append(process(function, where, transfer.public_url)), long=True)
    except DownloadError as error:
        if isinstance(error, ProcessError) and guard.is_unchanged:
            part.write_sidecar(transfer.resume_info)
        else:
            part.discard()
        raise
    try:
        is_unchanged = guard.is_unchanged
        guard.take_over()
    except (DownloadError, OSError) as error:
        part.close()
        raise ProcessError(f"processing failed: {function} left no part file", transfer.public_url) from error
    transfer.processed(returned[0], os.fstat(part.descriptor).st_size)
    if transfer.computed and not is_unchanged:
        from downloader.engine.attempt.verification import hash_processed

        yield from hash_processed(transfer, work)
