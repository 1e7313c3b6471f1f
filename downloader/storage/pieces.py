"""Writes a block that is a list of pieces, as they came from the network, without joining the pieces first.

To join the pieces would copy each byte once more, into memory that the C library takes from the kernel anew for each block.
"""

import os

MAX_PIECES = 1024
"""Pieces of one write: IOV_MAX of Linux."""


def write_some(descriptor: int, pieces: list[bytes], offset: int | None = None) -> tuple[int, list[bytes]]:
    """Write as many bytes of the pieces as one call writes.

    Args:
        descriptor: of an open file.
        pieces: the bytes, at least one piece.
        offset: where in the file; None: at its position.

    Returns:
        The number of bytes written, and the pieces that are left. Raises OSError.
    """
    batch = pieces if len(pieces) <= MAX_PIECES else pieces[:MAX_PIECES]
    if len(batch) == 1:
        written = os.write(descriptor, batch[0]) if offset is None else os.pwrite(descriptor, batch[0], offset)
    else:
        written = os.writev(descriptor, batch) if offset is None else os.pwritev(descriptor, batch, offset)
    count = written
    for number, piece in enumerate(batch):
        if written < len(piece):
            return count, [piece[written:], *pieces[number + 1 :]]
        written -= len(piece)
    return count, pieces[len(batch) :]
