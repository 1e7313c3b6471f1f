"""The sidecar of a part file: what its bytes are part of, and which of them there are. Without one they are worth nothing."""

import hashlib
import os

import msgspec

from downloader.core.http.headers import DIGEST_ALGORITHMS
from downloader.core.model import NOTHING_TO_RESUME, Checksum, ResumeInfo, Span, Validator
from downloader.core.spans import merged

_MOST = 1 << 18
"""Bytes; a longer one is none of ours."""


class Sidecar(msgspec.Struct, frozen=True):
    """``source``: a digest of the URL. ``spans``: what is complete of a file with gaps; None: all up to the file's size."""

    source: str
    etag: str = ""
    last_modified: str = ""
    total: int | None = None
    digests: tuple[tuple[str, str], ...] = ()
    spans: tuple[Span, ...] | None = None


_decode = msgspec.json.Decoder(Sidecar).decode


def digest_of(source: str) -> str:
    """What stands for a URL, which may hold secrets; empty for none."""
    return hashlib.blake2b(source.encode(), digest_size=16).hexdigest() if source else ""


def _encode(source: str, told: ResumeInfo) -> bytes:
    digests = tuple((item.algorithm, item.digest) for item in told.digests)
    etag, last_modified = told.validator
    spans = tuple(span for span in told.spans if span[1] > span[0]) if told.spans else None
    return msgspec.json.encode(Sidecar(digest_of(source), etag, last_modified, told.total, digests, spans))


def write(folder: int, name: str, source: str, told: ResumeInfo) -> None:
    """Make a sidecar in an open folder: what is ``told`` of the whole, and held of it. Raises OSError."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
    descriptor = os.open(name, flags, 0o666, dir_fd=folder)
    try:
        os.write(descriptor, _encode(source, told))
    finally:
        os.close(descriptor)


def rewrite(folder: int, name: str, source: str, told: ResumeInfo) -> None:
    """Bring one up to date, in one call: a kill leaves the old text or the new. Raises OSError.

    What was longer is filled with spaces, which JSON does not mind.
    """
    descriptor = os.open(name, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW, dir_fd=folder)
    try:
        os.pwrite(descriptor, _encode(source, told).ljust(os.fstat(descriptor).st_size), 0)
    finally:
        os.close(descriptor)


def load(folder: int, path: str, source: str, size: int) -> ResumeInfo:
    """What a sidecar says is held of a part file of ``size`` bytes; nothing, where there is none that fits. Never raises."""
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        descriptor = os.open(path, flags, dir_fd=folder)
        try:
            found = _decode(os.read(descriptor, _MOST))
        finally:
            os.close(descriptor)
    except (OSError, msgspec.DecodeError):
        return NOTHING_TO_RESUME
    if found.source != digest_of(source):
        return NOTHING_TO_RESUME
    digests = tuple(Checksum(algorithm, digest) for algorithm, digest in found.digests)
    if any(item.algorithm not in DIGEST_ALGORITHMS.values() for item in digests):
        return NOTHING_TO_RESUME
    validator = Validator(found.etag, found.last_modified)
    if found.spans is None:
        return ResumeInfo(size, validator, found.total, digests)
    marks = [0, *(mark for span in found.spans for mark in span), size]
    if found.total is None or size > found.total or marks != sorted(marks) or not validator.if_range:
        return NOTHING_TO_RESUME
    return ResumeInfo(0, validator, found.total, digests, merged(found.spans) or ((0, 0),))
