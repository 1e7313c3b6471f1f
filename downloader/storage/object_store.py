"""Opens the object store that a URL names. Only modules whose names begin with ``object_`` import obstore.

Credentials and the region come from the environment variables that the programs of each provider use
(``AWS_ACCESS_KEY_ID``, ``GOOGLE_APPLICATION_CREDENTIALS``, ``AZURE_STORAGE_ACCOUNT_NAME``, …); obstore reads them.
"""

import os
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote, urlsplit

from downloader.errors import UsageError
from downloader.extras import require

if TYPE_CHECKING:
    from obstore.store import ObjectStore

REQUEST_SECONDS = 300.0
"""Seconds that one request may take, with its body: one part of a large file, or a file that is uploaded in one request."""

LISTING_SECONDS = 30.0
"""Seconds that one request of a listing may take."""

_RETRIES = 3
_RETRY_SECONDS = 15
_PROXY_VARIABLES = ("http_proxy", "https_proxy", "all_proxy")
_LOOPBACK = "localhost,127.0.0.0/8,::1"
_ENDPOINT_VARIABLES = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")


class OpenedStore(NamedTuple):
    """``store``: what obstore's functions take; paths are relative to ``prefix``, the part of the URL behind the bucket."""

    store: "ObjectStore"
    prefix: str


def open_store(
    url: str,
    endpoint_url: str = "",
    connect_timeout: float = 10.0,
    request_seconds: float = REQUEST_SECONDS,
    make: bool = True,
) -> OpenedStore:
    """Open the object store of a URL: ``s3://BUCKET/PREFIX``, ``gs://…``, ``az://CONTAINER/PREFIX`` or ``file:///PATH``.

    No request is sent.

    Args:
        url: the place of the files. Paths that are given to obstore with this store are relative to it.
        endpoint_url: the server of an S3 or Azure store; empty: the one of the environment, else of the provider.
        connect_timeout: seconds until a connection must be there.
        request_seconds: seconds that one request may take, with its body.
        make: make the folder of a ``file`` URL if it is missing; else the store of a missing folder is empty.

    Raises UsageError where obstore is not installed, and for a URL that is not that of a store; StorageError for a folder that
    cannot be used.
    """
    parts = _checked(url, endpoint_url)
    require("an object store", "obstore", extra="s3")
    from obstore.exceptions import BaseError  # here: `require` says first how obstore is installed
    from obstore.store import AzureStore, GCSStore, LocalStore, MemoryStore, S3Store

    from downloader.storage.object_errors import storage_failure

    prefix = parts.path.strip("/")
    if parts.scheme == "file":
        path = unquote(parts.path)
        if not make and not os.path.exists(path):
            return OpenedStore(MemoryStore(), path)
        try:
            return OpenedStore(LocalStore(path, mkdir=make), path)
        except (BaseError, OSError) as error:
            failure = storage_failure(error, url)
            raise failure from None
    endpoint = endpoint_of(parts.scheme, endpoint_url, os.environ)
    shared: Any = {
        "prefix": prefix or None,
        "client_options": _client_options(endpoint, connect_timeout, request_seconds, os.environ),
        "retry_config": {
            "max_retries": _RETRIES,
            "retry_timeout": timedelta(seconds=_RETRY_SECONDS),
            "backoff": {"init_backoff": timedelta(milliseconds=100), "max_backoff": timedelta(seconds=5), "base": 2},
        },
    }
    try:
        if parts.scheme == "gs":
            return OpenedStore(GCSStore(parts.netloc, **shared), prefix)
        if parts.scheme == "az":
            shared |= {"endpoint": endpoint} if endpoint else {}
            return OpenedStore(AzureStore(parts.netloc, **shared), prefix)
        if endpoint:  # path style: the name of the bucket is no part of the server's name
            shared |= {"endpoint": endpoint, "virtual_hosted_style_request": False}
            shared |= {} if _has_region(os.environ) else {"region": "us-east-1"}
        return OpenedStore(S3Store(parts.netloc, **shared), prefix)
    except BaseError as error:
        hint = "see the environment variables of the provider (AWS_…, GOOGLE_…, AZURE_…)"
        raise UsageError(f"--dir: cannot open {url}: {_first_words(error)}", hint=hint) from None


def _checked(url: str, endpoint_url: str) -> Any:
    """The parts of the URL. Raises UsageError; secrets of the URL are not in the message."""
    try:
        parts = urlsplit(url.replace("?", "%3F").replace("#", "%23")) if url.startswith("file:") else _plain_parts(url)
        endpoint = urlsplit(endpoint_url)
        good = not endpoint_url or (endpoint.scheme in ("http", "https") and bool(endpoint.hostname))
    except ValueError:
        good = False
    if not good:
        raise UsageError("--endpoint-url is not the URL of a server", hint="as in http://127.0.0.1:8333")
    if "@" in parts.netloc or "@" in endpoint.netloc:
        what = "--dir" if "@" in parts.netloc else "--endpoint-url"
        raise UsageError(
            f"{what}: credentials do not belong into the URL", hint="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        )
    if parts.scheme == "file" and parts.netloc not in ("", "localhost"):
        raise UsageError(f"--dir: expected file:///PATH, got {url!r}")
    if endpoint_url and parts.scheme == "gs":
        raise UsageError("--endpoint-url is for s3:// and az://, not for gs://")
    segments = parts.path.strip("/").split("/")
    if parts.scheme != "file" and segments != [""] and any(segment in ("", ".", "..") for segment in segments):
        raise UsageError(f"--dir: the prefix has an empty part, '.' or '..': {url!r}")
    return parts


class _Parts(NamedTuple):
    scheme: str
    netloc: str
    path: str


def _plain_parts(url: str) -> _Parts:
    """The parts of a store's URL. The prefix is taken as it is: ``?``, ``#`` and ``%`` are characters of names there."""
    scheme, _, rest = url.partition("://")
    bucket, _, path = rest.partition("/")
    return _Parts(scheme, bucket, path)


def endpoint_of(scheme: str, endpoint_url: str, environment: Mapping[str, str]) -> str:
    """The server that is asked; empty for that of the provider."""
    if endpoint_url or scheme != "s3":
        return endpoint_url.rstrip("/")
    return next(filter(None, (environment.get(name, "") for name in _ENDPOINT_VARIABLES)), "").rstrip("/")


def _has_region(environment: Mapping[str, str]) -> bool:
    return bool(environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION"))


def _client_options(endpoint: str, connect_timeout: float, request_seconds: float, environment: Mapping[str, str]) -> Any:
    options: dict[str, Any] = {
        "connect_timeout": timedelta(seconds=connect_timeout),
        "timeout": timedelta(seconds=request_seconds),
        "allow_http": endpoint.startswith("http://"),
    }
    proxies = [
        value for name, value in environment.items() if name.lower() in ("http_proxy", "https_proxy", "all_proxy") and value
    ]
    if proxies and _is_loopback(urlsplit(endpoint).hostname or ""):
        options |= {"proxy_url": proxies[0], "proxy_excludes": _LOOPBACK}  # else the environment's proxy would be asked for it
    return options


def _is_loopback(host: str) -> bool:
    return host in ("localhost", "::1") or host.startswith("127.")


def _first_words(error: Exception) -> str:
    """The first line of obstore's text about settings that it refuses; these contain no secret."""
    return str(error).partition("\n")[0][:200]
