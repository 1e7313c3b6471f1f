"""The Results of a long run, in less memory: those of files that earlier runs had completed are kept compressed.

Such a Result is a URL, a path, a size and an origin. As an object it takes some 400 bytes, compressed some 10.
"""

import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, overload

from msgspec import msgpack

from downloader.core.model import Result, Status

CHUNK = 1024
"""Results that are compressed together."""

_Columns = tuple[list[str], list[str], list[int], list[str]]
_encode, _decode = msgpack.Encoder().encode, msgpack.Decoder(_Columns).decode


class _Packed(NamedTuple):
    """`CHUNK` Results: ``others`` by their index, and the recorded ones without metadata as compressed columns."""

    columns: bytes
    others: dict[int, Result]


class ResultList(Sequence[Result]):
    """A list of Results that can be read as any other, and only be changed by `append`."""

    __slots__ = ("_packed", "_tail")

    def __init__(self, results: Iterable[Result] = ()) -> None:
        self._packed: list[_Packed] = []
        self._tail: list[Result] = []
        for result in results:
            self.append(result)

    def append(self, result: Result) -> None:
        """Add a Result at the end."""
        self._tail.append(result)
        if len(self._tail) == CHUNK:
            self._packed.append(_pack(self._tail))
            self._tail = []

    def __len__(self) -> int:
        return CHUNK * len(self._packed) + len(self._tail)

    def __iter__(self) -> Iterator[Result]:
        for packed in self._packed:
            yield from _unpack(packed)
        yield from self._tail

    @overload
    def __getitem__(self, index: int) -> Result: ...

    @overload
    def __getitem__(self, index: slice) -> list[Result]: ...

    def __getitem__(self, index: int | slice) -> Result | list[Result]:
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        number = range(len(self))[index]  # counts a negative index from the end; raises IndexError
        chunk, at = divmod(number, CHUNK)
        return self._tail[at] if chunk == len(self._packed) else _unpack(self._packed[chunk])[at]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ResultList | list):
            return NotImplemented
        return len(self) == len(other) and all(mine == theirs for mine, theirs in zip(self, other, strict=True))

    def __repr__(self) -> str:
        return f"<{len(self)} Results>"


def recorded_result(url: str, path: str, size: int, origin: str) -> Result:
    """The Result of a file that an earlier run had completed, and that is unchanged."""
    return Result(url, path, Status.SKIPPED, size, reason="exists", origin=origin, is_recorded=True)


def _is_plain(result: Result) -> bool:
    """Whether `recorded_result` can make the Result again."""
    return result.is_recorded and not result.metadata


def _pack(results: list[Result]) -> _Packed:
    others = {index: result for index, result in enumerate(results) if not _is_plain(result)}
    recorded = [result for result in results if _is_plain(result)]
    columns = (
        [result.url for result in recorded],
        [result.path for result in recorded],
        [result.bytes for result in recorded],
        [result.origin for result in recorded],
    )
    return _Packed(zlib.compress(_encode(columns), 1), others)


def _unpack(packed: _Packed) -> list[Result]:
    recorded = map(recorded_result, *_decode(zlib.decompress(packed.columns)))
    others = packed.others
    return [others[index] if index in others else next(recorded) for index in range(CHUNK)]
