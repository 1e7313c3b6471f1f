"""Every setting of a run, defined once: its type, default, bounds and one line of explanation.

The command's flags, the environment variables (``DL_RETRY_WAIT``), the keys of the TOML file and the library's keywords all
come from `Settings`, by way of `downloader.settings.fields`. `downloader.settings.layers` combines these places,
`downloader.settings.config_files` finds the file, and `downloader.settings.values` reads single values.
"""

from enum import Enum
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from downloader.errors import UsageError
from downloader.settings.values import MAX_SECONDS

PREFIX = "DL_"
PASSWORD_VARIABLE = f"{PREFIX}PASSWORD"
"""The environment variable with a password: it is read, but is no setting."""

HttpVersion = Literal["auto", "1.1", "2", "3"]
OnExists = Literal["skip", "overwrite", "rename", "fail", "refresh"]
OnFull = Literal["stop", "wait"]
OnBusy = Literal["share", "wait", "fail"]
ListFormat = Literal["auto", "text", "csv", "tsv", "jsonl", "parquet", "metalink", "sitemap", "html"]
Order = Literal["listed", "reversed", "priority", "smallest", "random"]
Progress = Literal["auto", "bar", "plain", "json", "none"]


class Trust(Enum):
    """From which configuration files a setting is accepted: one in the current folder may not be the user's own."""

    ANY_FILE = "from any file"
    OWN_FILE = "only from a file that the user named, or that is the user's own"


ANY, OWN = Trust.ANY_FILE, Trust.OWN_FILE


def _option(trust: Trust, text: str, short: str = "", unit: str = "", **more: Any) -> Meta:
    """The description of a setting, beside its type.

    ``text``: what help shows. ``short``: the one-letter flag. ``unit``: what help shows for the value. ``more``: the bounds
    ``ge`` and ``gt``; ``kind`` and ``variable`` if they differ from the default; ``own_values``: values that are accepted as
    for OWN, although the setting is for ANY.
    """
    bounds = {name: more.pop(name) for name in ("ge", "gt") if name in more}
    return Meta(description=text, extra={"trust": trust, "short": short, "unit": unit, **more}, **bounds)


def _auto(trust: Trust, text: str, short: str = "", **bounds: Any) -> Meta:
    """`_option` for a number; the user may also write ``auto``, which is 0."""
    return _option(trust, text, short, "N|auto", kind="auto", **bounds)


def _size(trust: Trust, text: str, **bounds: Any) -> Meta:
    """`_option` for bytes; the user may also write ``10M``."""
    return _option(trust, text, "", "SIZE", kind="size", **bounds)


def _time(trust: Trust, text: str, **bounds: Any) -> Meta:
    """`_option` for seconds; the user may also write ``5m``."""
    return _option(trust, text, "", "TIME", kind="time", **bounds)


class HostSettings(msgspec.Struct, frozen=True, rename="kebab", kw_only=True):
    """A section ``[host."example.org"]``: settings for the URLs of some hosts. None or empty: the setting of the run holds.

    ``pattern``: which hosts, see `downloader.core.limits.host_table`. ``password_env``: the environment variable with the
    password of ``user``.
    """

    pattern: str
    per_host: int | None = None
    limit_rate_per_host: int | None = None
    wait: float | None = None
    max_requests_per_second: float | None = None
    header: tuple[str, ...] = ()
    user_agent: str | None = None
    user: str = ""
    password_env: str = ""
    bearer_env: str = ""
    netrc: bool | None = None

    @property
    def has_credentials(self) -> bool:
        """Whether the section says which user or token is sent."""
        return bool(self.user or self.bearer_env or self.netrc is not None)


class Settings(msgspec.Struct, frozen=True, rename="kebab", forbid_unknown_fields=True, kw_only=True):
    """The settings of a run. Times in seconds, sizes in bytes; an empty text means unset; 0 turns a limit off."""

    strategy: Annotated[str, _option(ANY, "concurrency model; `dl strategies` lists them", "-s", "NAME")] = "auto"
    dir: Annotated[
        str,
        _option(
            OWN,
            "folder for the downloaded files, created if missing; or s3://BUCKET/PREFIX, gs://, az://, tar://DIR",
            "-d",
            "DIR",
            variable="DL_TARGET_DIR",
        ),
    ] = "."
    endpoint_url: Annotated[str, _option(OWN, "with --dir s3://: the server of the object store", "", "URL")] = ""
    shard_files: Annotated[int, _option(ANY, "with --dir tar://: maximum files in a tar file", "", "N", gt=0)] = 10_000
    shard_size: Annotated[int, _size(ANY, "with --dir tar://: maximum size of a tar file", gt=0)] = 1_000_000_000
    cluster: Annotated[
        str, _option(OWN, "with --strategy dask: the address of Dask's scheduler, or its scheduler file", "", "ADDRESS|FILE")
    ] = ""
    jobs: Annotated[int, _auto(ANY, "maximum number of parallel requests; auto: as many as increase the speed", "-j", ge=0)] = 0
    per_host: Annotated[
        int,
        _auto(
            ANY,
            "maximum number of parallel requests per host; auto: 16 for a public host, else up to 256",
            ge=0,
        ),
    ] = 0
    segments: Annotated[
        int,
        _auto(
            ANY,
            "maximum number of parallel parts of a file; auto: up to 6 for a public host; 1: never split",
            ge=0,
        ),
    ] = 0
    aggressive: Annotated[bool, _option(OWN, "treat public hosts like your own: auto means the same for them")] = False
    min_segment_size: Annotated[int, _size(ANY, "minimum size of a part", ge=1)] = 1_048_576
    wait: Annotated[float, _time(ANY, "minimum time between the starts of two requests to one host", ge=0)] = 0.0
    max_requests_per_second: Annotated[
        float,
        _option(
            ANY,
            "maximum number of requests per host; the longer gap of this and --wait applies; 0: no limit",
            "",
            "N",
            ge=0,
        ),
    ] = 0.0
    obey_robots: Annotated[bool, _option(ANY, "read each host's robots.txt first; obey its rules and its Crawl-delay")] = False
    limit_rate: Annotated[int, _size(ANY, "maximum number of bytes per second in total; 0: no limit", ge=0)] = 0
    limit_rate_per_host: Annotated[int, _size(ANY, "maximum number of bytes per second from one host; 0: no limit", ge=0)] = 0
    retries: Annotated[int, _option(ANY, "maximum number of retries of a file", "-r", "N", ge=0)] = 5
    retry_on: Annotated[
        tuple[str, ...], _option(ANY, "also retry after these HTTP statuses, such as 403,404", "", "STATUS", kind="statuses")
    ] = ()
    host_failures: Annotated[
        int, _option(ANY, "give up a host that has never answered after this many time-outs; 0: never", "", "N", ge=0)
    ] = 3
    retry_wait: Annotated[
        float, _time(ANY, "maximum wait before the first retry; it is random, and doubles with each retry", ge=0)
    ] = 0.5
    max_retry_after: Annotated[float, _time(ANY, "maximum wait that a server may request with Retry-After", ge=0)] = 120.0
    connect_timeout: Annotated[float, _time(ANY, "time limit for establishing a connection", gt=0)] = 15.0
    timeout: Annotated[float, _time(ANY, "time limit for each attempt; 0: no limit", ge=0)] = 0.0
    low_speed_limit: Annotated[int, _size(ANY, "a transfer with fewer bytes per second than this is stalled", ge=0)] = 1
    low_speed_time: Annotated[float, _time(ANY, "abort and retry a transfer that is stalled for this long", gt=0)] = 30.0
    on_exists: Annotated[OnExists, _option(ANY, "what to do if the file already exists", own_values=("overwrite",))] = "skip"
    on_full: Annotated[OnFull, _option(ANY, "what to do if the disk is full: end the run, or wait for space")] = "stop"
    content_disposition: Annotated[bool, _option(ANY, "let the server name the file (one more request per file)")] = False
    mtime: Annotated[bool, _option(ANY, "set the modification time of files to the server's")] = True
    header: Annotated[tuple[str, ...], _option(OWN, "send this additional header; may be repeated", "-H", "'K: V'")] = ()
    user_agent: Annotated[str, _option(ANY, "User-Agent to send; empty: downloader/VERSION", "", "TEXT")] = ""
    user: Annotated[
        str, _option(OWN, "send this user name; DL_PASSWORD is the password, else the terminal is asked", "", "NAME")
    ] = ""
    bearer_env: Annotated[str, _option(OWN, "send the bearer token in this environment variable", "", "VARIABLE")] = ""
    netrc: Annotated[bool, _option(OWN, "read user names and passwords from ~/.netrc")] = False
    netrc_file: Annotated[str, _option(OWN, "read user names and passwords from this file", "", "FILE")] = ""
    cookies: Annotated[str, _option(OWN, "send the cookies in this file (Netscape format)", "", "FILE")] = ""
    http_version: Annotated[
        HttpVersion, _option(ANY, "HTTP version; auto: 1.1 for http://, the best on offer for https://")
    ] = "auto"
    proxy: Annotated[str, _option(OWN, "proxy: http://, https:// or socks5://; empty: from the environment", "", "URL")] = ""
    cacert: Annotated[str, _option(OWN, "trust the certificates in this file", "", "FILE")] = ""
    cert: Annotated[str, _option(OWN, "client certificate", "", "FILE")] = ""
    key: Annotated[str, _option(OWN, "private key of the client certificate, if it is in another file", "", "FILE")] = ""
    insecure: Annotated[bool, _option(OWN, "do not verify certificates")] = False
    allow_downgrade: Annotated[bool, _option(OWN, "follow redirects from https to http")] = False
    max_redirects: Annotated[int, _option(ANY, "maximum number of redirects of a file", "", "N", ge=0)] = 10
    name: Annotated[
        str,
        _option(ANY, "name files by this template, such as '{host}/{path}/{stem}{ext}'; see `dl help names`", "", "TEMPLATE"),
    ] = ""
    flatten: Annotated[bool, _option(ANY, "put all files into --dir itself; a / of a name becomes _")] = False
    fanout: Annotated[
        int, _option(ANY, "spread the files over 256 folders (1) or 65,536 folders (2), by a digest of the path", "", "N", ge=0)
    ] = 0
    process: Annotated[
        str, _option(OWN, "call this function with each finished file, before the file gets its name", "", "MODULE:FUNCTION")
    ] = ""
    keep_paths: Annotated[bool, _option(ANY, "keep the host and the folders of each URL: host/path/name", "-x")] = False
    cut_dirs: Annotated[int, _option(ANY, "with --keep-paths: omit the first N folders", "", "N", ge=0)] = 0
    max_size: Annotated[int, _size(ANY, "refuse files that are larger than this; 0: no limit", ge=0)] = 0
    max_total: Annotated[int, _size(ANY, "end the run when so many bytes were received; 0: no limit", ge=0)] = 0
    min_size: Annotated[int, _size(ANY, "refuse files that are smaller than this", ge=0)] = 0
    expect_type: Annotated[
        tuple[str, ...], _option(ANY, "accept only this media type, such as 'image/*'; may be repeated", "", "TYPE")
    ] = ()
    checksums: Annotated[str, _option(ANY, "verify files against this file, with lines of `digest  name`", "", "FILE")] = ""
    find_checksums: Annotated[
        bool, _option(ANY, "look for checksums beside each file: NAME.sha256, NAME.sha512, NAME.md5, SHA256SUMS")
    ] = False
    digest: Annotated[str, _option(ANY, "record this digest of each file: sha256, blake3, crc32c, …", "", "ALGORITHM")] = ""
    require_checksums: Annotated[bool, _option(ANY, "do not fetch files without a checksum: report them as failed")] = False
    journal: Annotated[
        str, _option(OWN, "file that records what was done; auto: .downloader/ in --dir; none: no file", "", "FILE|auto|none")
    ] = "auto"
    on_busy: Annotated[OnBusy, _option(ANY, "what to do if another run works in --dir: share the work, wait, or fail")] = (
        "share"
    )
    retry_failed: Annotated[bool, _option(ANY, "fetch only what failed before, as the journal says")] = False
    report: Annotated[
        str,
        _option(
            OWN, "write one row for each finished URL: .jsonl, .csv, .parquet; -: JSON lines to standard output", "", "FILE"
        ),
    ] = ""
    manifest: Annotated[
        str,
        _option(
            OWN, "keep one row for each file of the list in this file, from run to run: .jsonl, .csv, .parquet", "", "FILE"
        ),
    ] = ""
    on_complete: Annotated[
        str, _option(OWN, "run this command after each finished file, without a shell: 'gzip -t {path}'", "", "COMMAND")
    ] = ""
    trace: Annotated[str, _option(OWN, "write one JSON line for each attempt: when and where it ran", "", "FILE")] = ""
    failed: Annotated[str, _option(OWN, "write the list entries that failed, as a list for another run", "", "FILE")] = ""
    progress: Annotated[Progress, _option(ANY, "how to show the progress")] = "auto"
    quiet: Annotated[bool, _option(ANY, "print only errors", "-q")] = False
    verbose: Annotated[bool, _option(ANY, "log what happens to each file", "-v")] = False
    log_file: Annotated[str, _option(OWN, "write the log of -v to this file", "", "FILE")] = ""
    fail_fast: Annotated[bool, _option(ANY, "stop at the first failure")] = False
    skip_bad_lines: Annotated[bool, _option(ANY, "skip invalid lines of a list")] = False
    format: Annotated[
        ListFormat, _option(ANY, "format of the lists; auto: by name and content. With another value, a URL names a list")
    ] = "auto"
    url_column: Annotated[
        str, _option(ANY, "column of a table with the URLs: its name, or its number from 1", "", "COLUMN")
    ] = ""
    name_column: Annotated[str, _option(ANY, "column with the names of the files", "", "COLUMN")] = ""
    checksum_column: Annotated[str, _option(ANY, "column with the checksums", "", "COLUMN")] = ""
    size_column: Annotated[str, _option(ANY, "column with the sizes in bytes", "", "COLUMN")] = ""
    mirror_column: Annotated[str, _option(ANY, "column with further URLs of the same file", "", "COLUMN")] = ""
    links: Annotated[
        tuple[str, ...],
        _option(
            ANY,
            "each URL is a web page: fetch what it links to, if the name matches, as '*.nc'; may be repeated",
            "",
            "PATTERN",
        ),
    ] = ()
    expand: Annotated[bool, _option(ANY, "expand {001..100} and {a,b} in the URLs of text lists and of the command line")] = (
        False
    )
    prefer_location: Annotated[
        tuple[str, ...],
        _option(ANY, "prefer the mirrors of a Metalink in this country, such as de; may be repeated", "", "COUNTRY"),
    ] = ()
    order: Annotated[
        Order, _option(ANY, "order of the downloads, within a window of 100,000 entries of the list that are read ahead")
    ] = "listed"
    grace: Annotated[float, _time(ANY, "time that running files have to finish after Ctrl-C", ge=0)] = 3.0
    hosts: tuple[HostSettings, ...] = ()  # tables of the file: neither a flag nor a variable

    @property
    def gap(self) -> float:
        """The minimum time in seconds between the starts of two requests to one host: the longer gap of the two settings."""
        return _gap(self.wait, self.max_requests_per_second)

    def gap_at(self, host: HostSettings) -> float | None:
        """`gap` for the URLs of these hosts; None: `gap` itself."""
        if host.wait is None and host.max_requests_per_second is None:
            return None
        wait, rate = host.wait, host.max_requests_per_second
        return _gap(self.wait if wait is None else wait, self.max_requests_per_second if rate is None else rate)

    @property
    def header_pairs(self) -> tuple[tuple[str, str], ...]:
        """The setting ``header`` as pairs. Raises UsageError for a text that is not ``Name: value``."""
        return tuple(parse_header(text) for text in self.header)


def _gap(wait: float, rate: float) -> float:
    return max(wait, min(1 / rate, MAX_SECONDS) if rate else 0.0)


def parse_header(text: str) -> tuple[str, str]:
    """``Name: value`` as a pair; RFC 9110 section 5. Raises UsageError; the message does not contain the text."""
    name, colon, value = text.partition(":")
    token = name.strip()
    is_token = token.isascii() and token.replace("-", "").replace("_", "").isalnum()
    if not colon or not is_token or any(ord(c) < 32 and c != "\t" for c in value) or not value.isascii():
        raise UsageError("a header is not of the form 'Name: value'")  # the text may be secret
    return token, value.strip()
