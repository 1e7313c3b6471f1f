"""The schema of a report: its columns, and the row of a Result. docs/reports.md describes each column for readers.

The last column, ``meta``, has what the list says of the file. In JSON Lines it is an object. A table has a column ``meta.NAME``
for each key that is known when the table begins; ``meta`` has the other keys, as JSON.
"""

from collections.abc import Sequence
from contextlib import suppress

import msgspec

from downloader.core.facts import Checksum, Timings, Try
from downloader.core.model import Result
from downloader.reports.rows import Column, Value, clean

SCHEMA = 2
"""The version of the schema; 1 had no such column."""

META = Column("meta", "texts")

COLUMNS = (
    Column("schema", "integer"),
    Column("url"),
    Column("path"),
    Column("status"),
    Column("reason"),
    Column("bytes", "integer"),
    Column("received", "integer"),
    Column("http_status", "integer"),
    Column("attempts", "integer"),
    Column("elapsed", "number"),
    Column("queued", "number"),
    Column("dns", "number"),
    Column("connect", "number"),
    Column("tls", "number"),
    Column("first_byte", "number"),
    Column("total", "number"),
    Column("final_url"),
    Column("redirects"),
    Column("etag"),
    Column("last_modified"),
    Column("digests"),
    Column("verified", "boolean"),
    Column("value"),
    Column("processed", "boolean"),
    Column("function"),
    Column("warning"),
    Column("error.class"),
    Column("error.message"),
    Column("tries"),
    Column("origin"),
    META,
)

_NO_TIMINGS = Timings()
_encode = msgspec.json.Encoder().encode


class KnownFile(msgspec.Struct, frozen=True):
    """What an earlier row says of a file that exists: fields as the columns of these names."""

    url: str
    path: str
    status: str = ""
    bytes: int = 0
    etag: str = ""
    last_modified: str = ""
    digests: str = ""
    value: str = ""
    processed: bool = False
    function: str = ""

    @property
    def is_useful(self) -> bool:
        """Whether the row says something of a file on disk."""
        return bool(self.path) and bool(self.status == "done" or self.bytes or self.etag or self.processed)


def row_of(result: Result, processed: bool = False, function: str = "", known: KnownFile | None = None) -> list[Value]:
    """One Result as a row of `COLUMNS`.

    Args:
        result: how the Download ended.
        processed: ``function`` has processed the file.
        function: the name of that function.
        known: what an earlier row says of the file, which was skipped.
    """
    error = result.error
    timings = result.timings or _NO_TIMINGS
    return [
        SCHEMA,
        result.url,
        result.path,
        result.status.value,
        result.reason,
        result.bytes,
        result.received,
        result.http_status,
        result.attempts,
        round(result.elapsed, 6),
        round(result.queued, 6),
        *[round(seconds, 6) for seconds in timings],
        result.final_url,
        " ".join(result.redirects),
        result.etag or (known.etag if known else ""),
        result.last_modified or (known.last_modified if known else ""),
        digests_text(result.digests) or (known.digests if known else ""),
        result.verified,
        known.value if known else value_text(result.value),
        processed,
        function,
        result.warning,
        type(error).__name__ if error else "",
        str(error) if error else "",
        tries_text(result.tries),
        result.origin,
        dict(result.metadata),
    ]


def digests_text(digests: Sequence[Checksum]) -> str:
    """Digests as ``sha256=…``, with blanks between them."""
    return " ".join([f"{checksum.algorithm}={checksum.digest}" for checksum in digests])


def value_text(value: object) -> str:
    """What post-processing returned, as JSON; Python's repr as a JSON text if JSON cannot represent it; empty for None."""
    if value is None:
        return ""
    try:
        return _encode(value).decode()
    except Exception:  # noqa: BLE001 - a value of the user may raise anything
        with suppress(Exception):
            return _encode(clean(repr(value))).decode()
        return _encode(f"<{type(value).__name__}>").decode()


def tries_text(tries: Sequence[Try]) -> str:
    """The Attempts that failed, as a JSON list of objects; empty for none."""
    if not tries:
        return ""
    rows = [
        {"url": item.url, "status": item.status, "elapsed": round(item.elapsed, 6), "error": clean(item.error)}
        for item in tries
    ]
    return _encode(rows).decode()


def with_names(columns: Sequence[Column], names: Sequence[str]) -> list[Column]:
    """The columns of a table that has a column for each of these keys of `META`, which is the last of ``columns``."""
    return [*columns[:-1], *[Column(f"{META.name}.{name}") for name in names], META]


def spread(row: Sequence[Value], names: Sequence[str]) -> list[Value]:
    """A row for `with_names`."""
    texts = row[-1]
    assert isinstance(texts, dict)  # noqa: S101 - the column META
    rest = {name: text for name, text in texts.items() if name not in names} if texts else {}
    return [*row[:-1], *[texts.get(name, "") for name in names], rest]
