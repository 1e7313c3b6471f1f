"""Counts over the journal: by status, by reason, by host, by run, by time. SQLite counts, so memory does not grow."""

from typing import Any

from msgspec import Struct

from downloader.storage.journal_reader import JournalReader
from downloader.storage.journal_rows import DONE, FAILED, SKIPPED


class UrlCounts(Struct, frozen=True):
    """How many URLs ended how, by the last row of each. ``bytes``: the sizes of the complete files, together.

    ``with_digest``: complete files of which the journal has a digest; ``digest_bytes``: their sizes, together.
    """

    urls: int = 0
    done: int = 0
    skipped: int = 0
    failed: int = 0
    bytes: int = 0
    with_digest: int = 0
    digest_bytes: int = 0


class ReasonCount(Struct, frozen=True):
    """How many URLs failed for one reason.

    ``http_status``: of the last answer; 0: there was none. ``example``: URL and error of the one that failed last.
    """

    error_class: str
    http_status: int
    count: int
    example_url: str
    example_error: str


class HostCount(Struct, frozen=True):
    """The URLs of one host. ``complete``: done or skipped. ``bytes``: the sizes of its complete files, together."""

    host: str
    complete: int
    failed: int
    bytes: int


class RunCount(Struct, frozen=True):
    """One run. Times are in seconds since the epoch.

    ``ended``: None if the run goes on, or was killed; ``last_row``: when the last file of the run ended, None without one.
    ``received``: body bytes that came over the network.
    """

    id: int
    started: float
    ended: float | None
    last_row: float | None
    done: int
    skipped: int
    failed: int
    received: int


class RateBucket(Struct, frozen=True):
    """What one part of a run fetched. ``start``: seconds since the run started; ``seconds``: length of this part.

    ``files`` and ``received`` (bytes) count when a file ends, also those of failed files.
    """

    start: float
    seconds: float
    files: int
    received: int


def count_urls(journal: JournalReader) -> UrlCounts:
    """All URLs, by status."""
    query = """
        SELECT COUNT(*), SUM(status = ?), SUM(status = ?), SUM(status = ?), SUM(IIF(status <> ?, size, 0)),
            SUM(status <> ? AND digests <> ''), SUM(IIF(status <> ? AND digests <> '', size, 0)) FROM last_files
    """
    row: Any = next(iter(journal.select(query, DONE, SKIPPED, FAILED, FAILED, FAILED, FAILED)))
    return UrlCounts(*(value or 0 for value in row))


def count_reasons(journal: JournalReader) -> list[ReasonCount]:
    """Why URLs failed, most frequent reason first."""
    query = """
        SELECT error_class, http_status, COUNT(*) AS number, url, error, MAX(id) FROM last_files
        WHERE status = ? GROUP BY error_class, http_status ORDER BY number DESC, error_class, http_status
    """  # the columns that are not grouped are those of the row with the maximum, as SQLite's manual says of MAX()
    rows: Any = journal.select(query, FAILED)
    return [ReasonCount(*row[:5]) for row in rows]


def count_hosts(journal: JournalReader, limit: int) -> tuple[list[HostCount], int]:
    """The hosts with the most URLs, at most ``limit`` of them, and the number of all hosts."""
    query = """
        SELECT host_of_url(url) AS host, SUM(status <> ?), SUM(status = ?), SUM(IIF(status <> ?, size, 0)), COUNT(*) OVER ()
        FROM last_files GROUP BY host ORDER BY COUNT(*) DESC, host LIMIT ?
    """
    rows: Any = list(journal.select(query, FAILED, FAILED, FAILED, limit))
    return [HostCount(*row[:4]) for row in rows], rows[0][4] if rows else 0


def count_runs(journal: JournalReader) -> list[RunCount]:
    """All runs, in the order in which they started. A row counts for the run that wrote it."""
    query = """
        SELECT run, MAX(ended), SUM(status = ?), SUM(status = ?), SUM(status = ?), SUM(received) FROM files GROUP BY run
    """
    rows: Any = journal.select(query, DONE, SKIPPED, FAILED)
    counts = {row[0]: row[1:] for row in rows}
    return [RunCount(run.id, run.started, run.ended, *counts.get(run.id, (None, 0, 0, 0, 0))) for run in journal.runs()]


def count_rate(journal: JournalReader, run: RunCount, length: float, seconds: float) -> list[RateBucket]:
    """What a run fetched in each period of ``seconds``, also in those in which nothing ended.

    A run has as many periods as its ``length`` in seconds requires. The last one ends with the run: it has between a
    half and one and a half of ``seconds``, unless the whole run is shorter.
    """
    if length <= 0:
        return []
    count = max(1, round(length / seconds))
    query = """
        SELECT MIN(MAX(CAST((ended - ?) / ? AS INTEGER), 0), ?) AS bucket, SUM(status <> ?), SUM(received) FROM files
        WHERE run = ? GROUP BY bucket
    """
    rows: Any = journal.select(query, run.started, seconds, count - 1, SKIPPED, run.id)
    found = {bucket: (files, received) for bucket, files, received in rows}
    lengths = [seconds] * (count - 1) + [length - seconds * (count - 1)]
    return [RateBucket(index * seconds, lengths[index], *found.get(index, (0, 0))) for index in range(count)]
