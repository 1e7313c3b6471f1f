"""The sidecar of a part file: a JSON file that records the resource (URL digest, validator, size) and the bytes present.

A part file without a sidecar that matches cannot be resumed.
"""

import os

import msgspec

from downloader.core.facts import NOTHING_TO_RESUME, Checksum, ResumeInfo, Span, Validator
from downloader.core.spans import merged

_MAX_BYTES = 1 << 18
"""Bytes of a sidecar that are read: a longer file was not written by this module."""


class Sidecar(msgspec.Struct, frozen=True):
    """The fields of the file. ``source``: a digest of the URL. ``total``: bytes of the complete file, where known.

    ``spans``: the byte ranges that are complete; None: all bytes up to the part file's size.
    """

    source: str
    etag: str = ""
    last_modified: str = ""
    total: int | None = None
    digests: tuple[tuple[str, str], ...] = ()
    spans: tuple[Span, ...] | None = None


_decode = msgspec.json.Decoder(Sidecar).decode


def digest_of(source: str) -> str:
    """A digest that identifies a URL without its secrets; empty for an empty URL."""
    import hashlib  # here: 3 ms that small files need not pay

    return hashlib.blake2b(source.encode(), digest_size=16).hexdigest() if source else ""


def _encode(source: str, info: ResumeInfo) -> bytes:
    digests = tuple((item.algorithm, item.digest) for item in info.digests)
    etag, last_modified = info.validator
    spans = tuple(span for span in info.spans if span[1] > span[0]) if info.spans else None
    return msgspec.json.encode(Sidecar(digest_of(source), etag, last_modified, info.total, digests, spans))


def create(folder: int, name: str, source: str, info: ResumeInfo) -> None:
    """Create the sidecar ``name`` in an open folder, for a part file of the URL ``source``. Raises OSError."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
    descriptor = os.open(name, flags, 0o666, dir_fd=folder)
    try:
        os.write(descriptor, _encode(source, info))
    finally:
        os.close(descriptor)


def update(folder: int, name: str, source: str, info: ResumeInfo) -> None:
    """Overwrite a sidecar with one system call, so that a kill leaves either the old or the new text. Raises OSError.

    A shorter text is padded with spaces, which JSON ignores.
    """
    descriptor = os.open(name, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW, dir_fd=folder)
    try:
        os.pwrite(descriptor, _encode(source, info).ljust(os.fstat(descriptor).st_size), 0)
    finally:
        os.close(descriptor)


def _are_announced(digests: tuple[Checksum, ...]) -> bool:
    """Whether a server can have announced these digests: others were not written by this module."""
    from downloader.core.http.digest_fields import ANNOUNCED  # here: few answers have digests

    return all(item.algorithm in ANNOUNCED for item in digests)


def load(folder: int, path: str, source: str, size: int) -> ResumeInfo:
    """What the sidecar at ``path`` records of a part file of ``size`` bytes, for the URL ``source``.

    NOTHING_TO_RESUME if there is no sidecar, or if it does not fit the URL and the size. Never raises.
    """
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        descriptor = os.open(path, flags, dir_fd=folder)
        try:
            fields = _decode(os.read(descriptor, _MAX_BYTES))
        finally:
            os.close(descriptor)
    except (OSError, msgspec.DecodeError):
        return NOTHING_TO_RESUME
    if fields.source != digest_of(source):
        return NOTHING_TO_RESUME
    digests = tuple(Checksum(algorithm, digest) for algorithm, digest in fields.digests)
    if digests and not _are_announced(digests):
        return NOTHING_TO_RESUME
    validator = Validator(fields.etag, fields.last_modified)
    if fields.spans is None:
        return ResumeInfo(size, validator, fields.total, digests)
    ends = [0, *(end for span in fields.spans for end in span), size]
    if fields.total is None or size > fields.total or ends != sorted(ends) or not validator.if_range:
        return NOTHING_TO_RESUME
    return ResumeInfo(0, validator, fields.total, digests, merged(fields.spans) or ((0, 0),))
