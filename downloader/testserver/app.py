"""The test server's answers, as a granian RSGI application. `HELP` says what can be asked."""

import asyncio
import re
from collections.abc import Mapping
from typing import Any

from downloader.testserver import connection, content, queries, sending
from downloader.testserver.answers import reply, repr_digest, wants_digest
from downloader.testserver.faults import BODY_KINDS, Faults
from downloader.testserver.server_errors import WrongQuery

HELP = """\
The test server of `dl`: files whose bytes follow from their number and seed.

/file/SIZE/NUMBER.bin   a file of SIZE bytes; GET and HEAD, ranges, conditions. With ? and & between:
    delay=SECONDS       before the first byte, 60 at most
    rate=BYTES          a second, for each request
    fail=KINDS          faults, with commas between: a status (400-599), drop, cut, stall, reset, corrupt
    share=P             the probability that a request meets one (1); three in a row at most for a URL
    seed=N              other bytes, other faults (1)
    digest=1            answer with Repr-Digest (RFC 9530); so does a Want-Repr-Digest of sha-256
/list?files=N&size=S    the URLs of such a list, one a line; also delay, rate, fail, share, seed, and
    spread=SIGMA        sizes and delays log-normal around these medians
/list/NAME, /list       a named list; their names
/sums?QUERY, /sums/NAME the digests of the same files, as sha256sum writes them
/sums/SIZE/FIRST/COUNT  the same of so many files of a size
/reset                  the counts that faults depend on begin anew
/ready                  204
"""
MAX_SUMS = 999_999
_FILE = re.compile(r"/file/(\d{1,13})/(\d{1,9})\.bin", re.ASCII)
_SUMS = re.compile(r"/sums/(\d{1,13})/(\d{1,9})/(\d{1,6})", re.ASCII)
_TEXT = [("content-type", "text/plain; charset=utf-8")]
_MAX_INLINE_HASH = 1024 * 1024
"""Bytes that are hashed within the loop; more in a thread, because hashing lets go of the lock of the interpreter."""


class Application:
    """RSGI: https://github.com/emmett-framework/granian/blob/master/docs/spec/RSGI.md, version 1.

    ``named``: the queries of the named lists.
    """

    def __init__(self, named: Mapping[str, str]) -> None:
        self._named = named
        self._faults = Faults()

    async def __rsgi__(self, scope: Any, protocol: Any) -> None:
        """Answer one request."""
        method = scope.method
        if method in ("GET", "HEAD"):
            match = _FILE.fullmatch(scope.path)
            try:
                if match is not None:
                    await self._file(scope, protocol, int(match[2]), int(match[1]))
                else:
                    await self._other(scope, protocol)
            except WrongQuery as error:
                protocol.response_str(400, _TEXT, f"{error}\n")
        elif method == "POST" and scope.path == "/reset":
            await self._other(scope, protocol)
        else:
            protocol.response_empty(405, [("allow", "GET, HEAD"), ("content-length", "0")])

    async def _file(self, scope: Any, protocol: Any, number: int, size: int) -> None:
        query = scope.query_string
        asked = queries.file_options(query)
        fault = ""
        if asked.fail:
            fault = self._faults.next(f"{scope.path}?{query}", number, asked.fail, asked.share, asked.seed)
        if asked.delay:
            await asyncio.sleep(asked.delay)
        if fault and fault not in BODY_KINDS:
            _refuse(scope, protocol, fault)
            return
        request = scope.headers
        status, headers, start, stop = reply(number, size, asked.seed, request)
        if asked.digest or wants_digest(request):
            headers.append(repr_digest(await _digest(number, size, asked.seed)))
        if scope.method == "HEAD" or status in (304, 416):
            protocol.response_empty(status, headers)
        elif fault or asked.rate or stop - start > sending.MAX_SINGLE_PIECE:
            body = sending.Body(number, start, stop, asked.seed, asked.rate, fault)
            await sending.send(protocol, scope.client, status, headers, body)
        else:
            protocol.response_bytes(status, headers, content.body(number, start, stop, asked.seed))

    async def _other(self, scope: Any, protocol: Any) -> None:
        """Whatever is no file. Raises WrongQuery."""
        path: str = scope.path
        if path == "/ready":
            protocol.response_empty(204, [])
        elif path == "/reset":
            self._faults.reset()
            protocol.response_empty(204, [])
        elif path == "/":
            protocol.response_str(200, _TEXT, HELP)
        elif path == "/list" and not scope.query_string:
            protocol.response_str(200, _TEXT, "".join(f"{name}  {query}\n" for name, query in self._named.items()))
        elif (query := self._query(scope, path, "/list")) is not None:
            urls = queries.lines(_base(scope), query)
            if scope.method == "HEAD":
                protocol.response_empty(200, _TEXT)
            else:
                await sending.send_text(protocol, urls)
        elif (query := self._query(scope, path, "/sums")) is not None:
            protocol.response_str(200, _TEXT, await asyncio.to_thread(_sums, query))
        elif (match := _SUMS.fullmatch(path)) is not None:
            size, first, count = (int(item) for item in match.groups())
            protocol.response_str(200, _TEXT, await asyncio.to_thread(_sums_of, size, first, count))
        else:
            protocol.response_str(404, _TEXT, "not found; / says what can be asked\n")

    def _query(self, scope: Any, path: str, what: str) -> str | None:
        """The query of the list that is asked for: the URL's own, or a named one; None where it is neither."""
        if path == what:
            return str(scope.query_string)
        return self._named.get(path.removeprefix(f"{what}/")) if path.startswith(f"{what}/") else None


def _refuse(scope: Any, protocol: Any, fault: str) -> None:
    if fault == "drop" and connection.end(scope.client, reset=False):
        return
    status = int(fault) if fault.isdigit() else 500
    headers = [("retry-after", "0"), *_TEXT]
    if scope.method == "HEAD":
        protocol.response_empty(status, headers)
    else:
        protocol.response_str(status, headers, "as asked for by fail=\n")


async def _digest(number: int, size: int, seed: int) -> str:
    if size <= _MAX_INLINE_HASH:
        return content.sha256(number, size, seed)
    return await asyncio.to_thread(content.sha256, number, size, seed)


def _base(scope: Any) -> str:
    """Scheme, host and port, as the client knows them."""
    return f"{scope.scheme}://{scope.headers.get('host') or scope.authority or scope.server}"


def _sums(query: str) -> str:
    if queries.list_options(query).files > MAX_SUMS:
        raise WrongQuery(f"digests of {MAX_SUMS:,} files at most are told at once")
    return "".join(f"{digest}  {name}\n" for name, digest in queries.sums(query))


def _sums_of(size: int, first: int, count: int) -> str:
    return "".join(f"{content.sha256(number, size)}  {number}.bin\n" for number in range(first, first + count))
