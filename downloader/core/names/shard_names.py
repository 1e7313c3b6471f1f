"""Names of tar files and of their members.

A shard is a tar file with its two companions: ``00012.tar``, ``00012.parquet`` and ``00012.stats.json``. Each file of a run is
one sample of a shard: two members with a common key, which contains the number of the shard and the place in the shard::

    00012_000345.jpg     the bytes of the file
    00012_000345.json    the row of its Result

Programs that read such files (webdataset, for example) take the name of a member up to its first dot as the key of the sample,
and put members with one key together. So a key must contain nothing of the name of the file, which may have dots, and may
differ from another name in its extension alone. The path of the file is in the row.
"""

import re
from collections.abc import Collection

TAR, PARQUET, STATS = ".tar", ".parquet", ".stats.json"
SHARD_SUFFIXES = (TAR, PARQUET, STATS)
"""The files of a shard, in the order in which they appear: a shard is complete when it has its statistics."""

ROW_SUFFIX = ".json"
"""The suffix of the member with the row of a Result."""

_SHARD_NAME = r"(\d{5,})(\.tar|\.parquet|\.stats\.json)"
_SUFFIX = r"(?:\.tar)?\.[a-z0-9]{1,16}\Z"


def shard_name(number: int) -> str:
    """The name of the shard with this number, from 0; its files have this name and one of `SHARD_SUFFIXES`."""
    return f"{number:05d}"


def shard_number(name: str) -> int | None:
    """The number of the shard that a file of this name belongs to; None for any other file."""
    match = re.fullmatch(_SHARD_NAME, name)
    number = int(match[1]) if match else 0
    return number if match and shard_name(number) == match[1] else None


def complete_shards(names: Collection[str]) -> list[int]:
    """The numbers of the shards that are complete, in ascending order. ``names``: of the files in their folder."""
    present = set(names)
    numbers = {shard_number(name) for name in present if name.endswith(STATS)}
    return sorted(number for number in numbers if number is not None and shard_name(number) + PARQUET in present)


def free_number(taken: Collection[int]) -> int:
    """The lowest number that is not taken."""
    number = 0
    while number in taken:
        number += 1
    return number


def sample_key(number: int, place: int) -> str:
    """The key of a sample. ``number``: of the shard; ``place``: of the sample in the shard, from 0."""
    return f"{shard_name(number)}_{place:06d}"


def data_suffix(path: str) -> str:
    """The suffix of the member with the bytes of the file at ``path``: its extension in lower case.

    ``.bin`` where there is none, or an unusual one: a member without a suffix is lost to readers. A file that is JSON itself
    gets ``.data.json``, because ``.json`` is the suffix of the row.
    """
    match = re.search(_SUFFIX, path.rpartition("/")[2][1:].lower())
    suffix = match.group() if match else ".bin"
    return f".data{suffix}" if suffix == ROW_SUFFIX else suffix
