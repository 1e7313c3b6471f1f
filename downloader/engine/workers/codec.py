"""How parcels and Outcomes are written as bytes, for workers in other processes and on other machines.

MessagePack takes a fifth of a pickle's time. Errors, which are rare, and the values of the user's post-processing are pickles
inside the message. Only values of this package cross (rule 9), between processes of one user.
"""

import pickle
import zlib
from collections.abc import Callable
from typing import Any

import msgspec

from downloader.core.model import Returned
from downloader.errors import DownloadError

_LEVEL = 1
"""Of zlib: URLs of one list are much alike, so the first level makes them ten times smaller, in 0.5 µs each."""


def _out(value: Any) -> Any:
    if isinstance(value, DownloadError | Returned):
        return pickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL)
    raise NotImplementedError(type(value))


def _back(kind: type, value: Any) -> Any:
    return pickle.loads(value)  # noqa: S301 - see the module


encode: Callable[[Any], bytes] = msgspec.msgpack.Encoder(enc_hook=_out).encode


def decoder(kind: Any) -> Callable[[bytes | bytearray], Any]:
    """A function that reads a value of this type."""
    return msgspec.msgpack.Decoder(kind, dec_hook=_back).decode


def pack(value: Any) -> bytes:
    """Encode and compress: for messages that a scheduler on another machine stores and forwards."""
    return zlib.compress(encode(value), _LEVEL)


def unpacker(kind: Any) -> Callable[[bytes], Any]:
    """A function that reads what `pack` has written, of this type."""
    decode = decoder(kind)
    return lambda data: decode(zlib.decompress(data))
