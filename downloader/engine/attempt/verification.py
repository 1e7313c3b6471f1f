"""Whether a complete file is the right one: by its checksums, or by the digests of its pieces. Only runs that hash need this.

A file is hashed while it is written. It is read again only if it did not come in one piece: where it was resumed, its first
part is read once; where several Attempts wrote it, it is read at its end.
"""

from downloader.core.http.transfer import Transfer
from downloader.core.spans import byte_count
from downloader.engine.attempt.commands import Call, Substeps
from downloader.engine.attempt.workspace import Workspace
from downloader.errors import WrongPieces
from downloader.storage.checksum import ChecksumVerifier


def new_verifier(transfer: Transfer, work: Workspace) -> ChecksumVerifier:
    """Computes what is checked and what is recorded of this file. Pieces are checked where no checksum of the list is known."""
    attempt = transfer.attempt
    return ChecksumVerifier(transfer.digests, work.context.config.digest, None if attempt.checksums else attempt.pieces)


def verify(transfer: Transfer, work: Workspace, block: bytes) -> Substeps:
    """Check the complete file, and tell the Transfer its digests.

    ``block``: the file, if it was not written yet. Raises IntegrityError; WrongPieces if the right pieces were kept.
    """
    part, verifier = work.part, work.verifier
    if not part.is_open:
        verifier = verifier or new_verifier(transfer, work)
        verifier.update(block)
    elif verifier is None or verifier.count != transfer.size or part.may_have_gaps:
        verifier = again = new_verifier(transfer, work)
        yield Call(lambda: again.hash_existing(part.descriptor, transfer.size), long=True)
    error = verifier.mismatch(transfer.public_url)
    if error is None:
        transfer.hashed(verifier.digests)
        return
    yield from _keep_right_pieces(transfer, work, block, verifier)
    raise error


def _keep_right_pieces(transfer: Transfer, work: Workspace, block: bytes, verifier: ChecksumVerifier) -> Substeps:
    """Keep the right pieces of a wrong file, if they can be told and the others can be asked for. Then raises WrongPieces."""
    part, pieces, info = work.part, transfer.attempt.pieces, transfer.resume_info
    if pieces is None or not info.validator.if_range:
        return
    wrong = verifier.wrong_pieces
    if not wrong:
        checked = ChecksumVerifier((), pieces=pieces)
        if part.is_open:
            yield Call(lambda: checked.hash_existing(part.descriptor, transfer.size), long=True)
        else:
            checked.update(block)
        wrong = checked.wrong_pieces
    count = byte_count(wrong)
    if not 0 < count < transfer.size:
        return
    if not part.is_open:
        part.open(0)
        part.write(block)
    part.keep_without(wrong, info._replace(total=transfer.size))
    kind = "some pieces of the file have wrong checksums"
    hint = "the other pieces are kept: the next try fetches the wrong ones only"
    raise WrongPieces(f"{kind}: {count} of {transfer.size} bytes", transfer.public_url, hint, kind)


def hash_processed(transfer: Transfer, work: Workspace) -> Substeps:
    """The user's function has changed the file: its digests were of other bytes, and the recorded one is computed again."""
    recorded = work.context.config.digest
    verifier = ChecksumVerifier((), recorded)
    if recorded:
        yield Call(lambda: verifier.hash_existing(work.part.descriptor, transfer.size), long=True)
    transfer.hashed(verifier.digests)
