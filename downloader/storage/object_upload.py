"""Uploads complete files to an object store, so that nothing is visible under a name until the file is whole.

| size of the file | how | another run that writes the same name |
| --- | --- | --- |
| up to `SINGLE_PUT_BYTES` | one request with If-None-Match (RFC 9110 section 13.1.2) | exactly one run writes the object |
| larger | several parts; the upload ends with a look at the name | the object is written twice if both end within ms |

With `replace`, no condition is sent. A file on the disk is mapped, and not read: its bytes need no memory of the process.
"""

import asyncio
import mmap
import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import obstore

from downloader.errors import Interrupted

if TYPE_CHECKING:
    from obstore.store import ObjectStore

SINGLE_PUT_BYTES = 16 << 20
"""Bytes of a file that is uploaded with one request. It is as safe as a small file, and slower than a multipart upload."""

PART_BYTES = 8 << 20
"""Bytes of a part of a larger file, unless there would be more than `MAX_PARTS`."""

MAX_PARTS = 9_000
"""Parts of an upload at most; S3 allows 10,000."""

PARTS_AT_ONCE = 4


def upload_block(store: "ObjectStore", path: str, block: bytes | mmap.mmap, replace: bool, attributes: Any) -> None:
    """Upload a file with one request. Raises what obstore raises; AlreadyExistsError if the name is taken."""
    mode: Any = "overwrite" if replace else "create"
    obstore.put(store, path, block, mode=mode, use_multipart=False, attributes=attributes)


def upload_file(
    store: "ObjectStore", path: str, descriptor: int, replace: bool, attributes: Any, is_over: Callable[[], bool]
) -> None:
    """Upload an open file. ``is_over``: whether a large upload must end now.

    Raises what obstore raises, FileExistsError if the name is taken, Interrupted, OSError.
    """
    size = os.fstat(descriptor).st_size
    if size == 0:
        upload_block(store, path, b"", replace, attributes)
        return
    content = mmap.mmap(descriptor, size, prot=mmap.PROT_READ)
    if size <= SINGLE_PUT_BYTES:
        upload_block(store, path, content, replace, attributes)
        return
    if not replace:
        asyncio.run(_check_free(store, path))  # now, too: the upload may take long
    part_bytes = max(PART_BYTES, -(-size // MAX_PARTS))

    def parts() -> Iterator[memoryview]:
        view = memoryview(content)
        for offset in range(0, size, part_bytes):
            if is_over():
                raise Interrupted("stopped")
            yield view[offset : offset + part_bytes]
        if not replace:
            asyncio.run(_check_free(store, path))  # raised here, the error ends the upload, and its parts are removed

    obstore.put(store, path, parts(), chunk_size=part_bytes, max_concurrency=PARTS_AT_ONCE, attributes=attributes)


async def _check_free(store: "ObjectStore", path: str) -> None:
    """Raises FileExistsError if an object has this name. A coroutine, as obstore allows no blocking call within `put`."""
    try:
        await obstore.head_async(store, path)
    except FileNotFoundError:
        return
    raise FileExistsError("an object has the name")
