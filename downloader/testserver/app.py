"""The test server as a granian RSGI application. `HELP` documents its URLs."""

import asyncio
import re
from collections.abc import Mapping
from typing import Any

from downloader.testserver import connection, content, queries, sending
from downloader.testserver.answers import reply, repr_digest, wants_digest
from downloader.testserver.faults import BODY_KINDS, Faults
from downloader.testserver.server_errors import WrongQuery

HELP = """\
The test server of `dl`. The number and the seed of a file determine its bytes.

/file/SIZE/NUMBER.bin   a file of SIZE bytes; GET and HEAD, ranges, conditions. Options after ?, with & between:
    delay=SECONDS       time before the first byte, at most 60
    rate=BYTES          maximum number of bytes per second, for each request
    fail=KINDS          faults, separated by commas: a status (400-599), drop, cut, stall, reset, corrupt
    share=P             the probability that a request fails (1); a URL fails at most three times in a row
    seed=N              other bytes and other faults (1)
    digest=1            answer with Repr-Digest (RFC 9530), as for a Want-Repr-Digest of sha-256
/list?files=N&size=S    a list of URLs, one per line; also with delay, rate, fail, share, seed, and
    spread=SIGMA        log-normal sizes and delays with these medians
/list/NAME, /list       a named list; the names of these lists
/sums?QUERY, /sums/NAME the digests of the files of a list, as sha256sum writes them
/sums/SIZE/FIRST/COUNT  the digests of COUNT files of a size
/reset                  reset the counters of the faults
/ready                  204
"""
MAX_SUMS = 999_999
_FILE = re.compile(r"/file/(\d{1,13})/(\d{1,9})\.bin", re.ASCII)
_SUMS = re.compile(r"/sums/(\d{1,13})/(\d{1,9})/(\d{1,6})", re.ASCII)
_TEXT = [("content-type", "text/plain; charset=utf-8")]
_MAX_INLINE_HASH = 1024 * 1024
"""The maximum number of bytes that are hashed in the event loop; more are hashed in a thread, as hashing releases the GIL."""


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
        options = queries.file_options(query)
        fault = ""
        if options.fail:
            fault = self._faults.next(f"{scope.path}?{query}", number, options.fail, options.share, options.seed)
        if options.delay:
            await asyncio.sleep(options.delay)
        if fault and fault not in BODY_KINDS:
            _refuse(scope, protocol, fault)
            return
        request = scope.headers
        status, headers, start, stop = reply(number, size, options.seed, request)
        if options.digest or wants_digest(request):
            headers.append(repr_digest(await _digest(number, size, options.seed)))
        if scope.method == "HEAD" or status in (304, 416):
            protocol.response_empty(status, headers)
        elif fault or options.rate or stop - start > sending.MAX_SINGLE_PIECE:
            body = sending.Body(number, start, stop, options.seed, options.rate, fault)
            await sending.send(protocol, scope.client, status, headers, body)
        else:
            protocol.response_bytes(status, headers, content.body(number, start, stop, options.seed))

    async def _other(self, scope: Any, protocol: Any) -> None:
        """Answer a request for anything but a file. Raises WrongQuery."""
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
            urls = queries.url_lines(_base(scope), query)
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
            protocol.response_str(404, _TEXT, "not found; / explains the URLs\n")

    def _query(self, scope: Any, path: str, prefix: str) -> str | None:
        """The query of the requested list: from the URL, or of a named list; None if the path has another prefix."""
        if path == prefix:
            return str(scope.query_string)
        return self._named.get(path.removeprefix(f"{prefix}/")) if path.startswith(f"{prefix}/") else None


def _refuse(scope: Any, protocol: Any, fault: str) -> None:
    if fault == "drop" and connection.end(scope.client, reset=False):
        return
    status = int(fault) if fault.isdigit() else 500
    headers = [("retry-after", "0"), *_TEXT]
    if scope.method == "HEAD":
        protocol.response_empty(status, headers)
    else:
        protocol.response_str(status, headers, "requested by fail=\n")


async def _digest(number: int, size: int, seed: int) -> str:
    if size <= _MAX_INLINE_HASH:
        return content.sha256(number, size, seed)
    return await asyncio.to_thread(content.sha256, number, size, seed)


def _base(scope: Any) -> str:
    """The scheme, host and port that the client used."""
    return f"{scope.scheme}://{scope.headers.get('host') or scope.authority or scope.server}"


def _sums(query: str) -> str:
    if queries.list_options(query).files > MAX_SUMS:
        raise WrongQuery(f"at most the digests of {MAX_SUMS:,} files can be requested at once")
    return "".join(f"{digest}  {name}\n" for name, digest in queries.sums(query))


def _sums_of(size: int, first: int, count: int) -> str:
    return "".join(f"{content.sha256(number, size)}  {number}.bin\n" for number in range(first, first + count))
