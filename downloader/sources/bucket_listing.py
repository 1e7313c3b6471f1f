"""Reads the listing of a bucket, as S3 and the stores that speak its protocol answer it (ListObjects, versions 1 and 2).

A listing has at most 1,000 keys, and says so if there are more: the next ones are asked for until the last one has come.
"""

from collections.abc import Iterator
from typing import IO
from urllib.parse import parse_qsl, quote, unquote_plus, urlencode, urlsplit

from downloader.core.model import Download
from downloader.core.names.urls import clean_url, public_url
from downloader.errors import DownloadError, UsageError
from downloader.sources.formats import ListOptions, OnBadLine
from downloader.sources.html_index import UnusedLinks, matches_any
from downloader.sources.streams import fetched_list
from downloader.sources.xml_entries import Element, read_entries

ROOT = "ListBucketResult"
_ENTRIES = ("Contents", "IsTruncated", "NextContinuationToken", "NextMarker")


def read(stream: IO[bytes], name: str, options: ListOptions, on_bad_line: OnBadLine) -> Iterator[Download]:
    """The Downloads of a listing, read lazily: each key the last part of which matches ``options.links``, and its size.

    ``name``: of the listing, for messages. That no key matches goes to ``on_bad_line``. Raises UsageError if the URL of the
    bucket is not known, if the next part of the listing cannot be fetched, and for a malformed document: see `read_entries`.
    """
    url = options.base_url
    if not url.startswith(("http://", "https://")):
        raise UsageError("the listing of a bucket: its keys are relative to a URL that is not known", name, "give that URL")
    patterns = options.links or ("*",)
    unused, found, last_key = UnusedLinks(), False, ""
    asked: set[str] = set()
    while True:
        answers: dict[str, str] = {}
        for entry in read_entries(stream, name, [ROOT], _ENTRIES):
            if entry.name != "Contents":
                answers[entry.name] = entry.text
                continue
            key = _key(entry, url)
            last_key = key
            last_part = key.rpartition("/")[2]
            if not last_part:
                continue
            if not matches_any(last_part, patterns):
                unused.add_unmatched(last_part)
                continue
            found = True
            yield _download(entry, key, url, f"{name}:{entry.line}")
        if answers.get("IsTruncated", "").lower() != "true":
            break
        asked.add(url)
        url = _next_url(url, answers, last_key)
        if url in asked:
            raise UsageError("the listing of the bucket begins anew, and never ends", name)
        stream.close()
        stream = _fetched(url, options, name)
    problem = unused.problem(name, patterns, found)
    if problem is not None:
        on_bad_line(problem)


def _key(entry: Element, url: str) -> str:
    """The key of an object. It is encoded if the URL of the listing asked for that."""
    key = next(("".join(child.texts) for child in entry.all("Key")), "")
    return unquote_plus(key) if ("encoding-type", "url") in parse_qsl(urlsplit(url).query) else key


def _download(entry: Element, key: str, url: str, where: str) -> Download:
    size = entry.text_of("Size")
    bucket = url.partition("?")[0].partition("#")[0].rstrip("/")
    metadata = (("last_modified", entry.text_of("LastModified")), ("etag", entry.text_of("ETag").strip('"')))
    return Download(
        clean_url(f"{bucket}/{quote(key)}"),
        size=int(size) if size.isascii() and size.isdigit() and len(size) <= 18 else None,
        origin=where,
        metadata=tuple(pair for pair in metadata if pair[1]),
    )


def _next_url(url: str, answers: dict[str, str], last_key: str) -> str:
    """The URL of the part of the listing that follows."""
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    if token := answers.get("NextContinuationToken"):
        query["continuation-token"] = token
    else:
        query["marker"] = answers.get("NextMarker") or last_key
    return parts._replace(query=urlencode(query, quote_via=quote)).geturl()


def _fetched(url: str, options: ListOptions, name: str) -> IO[bytes]:
    """The next part of the listing. Raises UsageError."""
    if options.open_url is None:
        raise UsageError("the listing of the bucket goes on, and the next part cannot be fetched here", name)
    try:
        return fetched_list(options.open_url(url), public_url(url), "html").stream
    except DownloadError as error:
        raise UsageError(f"the next part of the listing cannot be fetched: {error.reason}", name, error.hint) from None
