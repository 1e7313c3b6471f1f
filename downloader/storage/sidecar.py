"""The sidecar of a part file: what its bytes are part of, and which of them there are. Without one they are worth nothing."""

import hashlib
import os

import msgspec

from downloader.core.model import NOTHING_HELD, Checksum, Held, Span, Validator

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


def encode(source: str, told: Held) -> bytes:
    """The sidecar's text, for what is ``told`` of the whole and held of it."""
    digests = tuple((item.algorithm, item.digest) for item in told.digests)
    etag, last_modified = told.validator
    spans = tuple(span for span in told.spans if span[1] > span[0]) if told.spans else None
    return msgspec.json.encode(Sidecar(digest_of(source), etag, last_modified, told.total, digests, spans))


def read(descriptor: int, source: str, size: int) -> Held:
    """What a sidecar says is held of a part file of ``size`` bytes; nothing, where it does not fit. Raises OSError."""
    try:
        found = _decode(os.pread(descriptor, _MOST, 0))
    except msgspec.DecodeError:
        return NOTHING_HELD
    if found.source != digest_of(source):
        return NOTHING_HELD
    digests = tuple(Checksum(algorithm, digest) for algorithm, digest in found.digests)
    validator = Validator(found.etag, found.last_modified)
    if found.spans is None:
        return Held(size, validator, found.total, digests)
    ends = [0, *(mark for span in found.spans for mark in span), size]
    if found.total is None or size > found.total or ends != sorted(ends):
        return NOTHING_HELD
    return Held(0, validator, found.total, digests, found.spans or ((0, 0),))
