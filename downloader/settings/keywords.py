"""The settings as typed keyword arguments of the library, for type checkers and for editors that complete names.

`downloader.settings.definitions.Settings` and config.example.toml describe the meaning, the default and the bounds of each
setting. A test checks that `Keywords` and `Settings` agree. Settings that only concern the command's output are not here.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal, TypedDict

from downloader.settings.definitions import HttpVersion, ListFormat, OnBusy, OnExists, OnFull, Order

Count = int | Literal["auto"]
"""A number, or ``"auto"``: as many as help."""

Size = int | str
"""Bytes, or text such as ``"10M"``."""

Seconds = float | str
"""Seconds, or text such as ``"5m"``."""

Texts = list[str] | tuple[str, ...]


class HostKeywords(TypedDict, total=False):
    """The settings for the URLs of one host or of all hosts below a domain: a value of ``hosts=``. Units as in `Keywords`.

    ``password_env`` and ``bearer_env`` are names of environment variables.
    """

    per_host: int
    limit_rate_per_host: Size
    wait: Seconds
    max_requests_per_second: float
    header: Texts
    user_agent: str
    user: str
    password_env: str
    bearer_env: str
    netrc: bool


class Keywords(TypedDict, total=False):
    """The ``**settings`` of `downloader.download`, `downloader.adownload`, `downloader.stream` and `downloader.Downloader`.

    `Seconds` and `Size` are in the unit that their names say, or text with a unit. ``limit_rate``, ``limit_rate_per_host`` and
    ``low_speed_limit`` are bytes a second; ``jobs``, ``per_host``, ``segments``, ``retries``, ``host_failures``,
    ``max_redirects``, ``cut_dirs`` and ``fanout`` are counts; 0 turns a limit off. ``hosts`` has other settings for single
    hosts: ``{"example.org": {"per_host": 2}}``.
    """

    strategy: str
    endpoint_url: str
    shard_files: int
    shard_size: Size
    cluster: str
    jobs: Count
    per_host: Count
    segments: Count
    aggressive: bool
    min_segment_size: Size
    wait: Seconds
    max_requests_per_second: float
    obey_robots: bool
    limit_rate: Size
    limit_rate_per_host: Size
    retries: int
    retry_on: Texts
    host_failures: int
    retry_wait: Seconds
    max_retry_after: Seconds
    connect_timeout: Seconds
    timeout: Seconds
    low_speed_limit: Size
    low_speed_time: Seconds
    on_exists: OnExists
    on_full: OnFull
    content_disposition: bool
    mtime: bool
    header: Texts
    user_agent: str
    user: str
    bearer_env: str
    netrc: bool
    netrc_file: str
    cookies: str
    http_version: HttpVersion
    proxy: str
    cacert: str
    cert: str
    key: str
    insecure: bool
    allow_downgrade: bool
    max_redirects: int
    name: str
    flatten: bool
    fanout: int
    process: str | Callable[[Path], object]
    keep_paths: bool
    cut_dirs: int
    max_size: Size
    max_total: Size
    min_size: Size
    expect_type: Texts
    checksums: str
    find_checksums: bool
    digest: str
    require_checksums: bool
    journal: str
    on_busy: OnBusy
    retry_failed: bool
    fail_fast: bool
    skip_bad_lines: bool
    format: ListFormat
    url_column: str
    name_column: str
    checksum_column: str
    size_column: str
    mirror_column: str
    links: Texts
    expand: bool
    prefer_location: Texts
    order: Order
    grace: Seconds
    hosts: Mapping[str, HostKeywords]
