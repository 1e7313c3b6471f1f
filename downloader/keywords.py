"""The settings as keyword arguments of the library, with their types: for type checkers, and for editors that complete names.

What each one means, its default and its bounds stand in `downloader.settings.Settings` and in config.example.toml. A test
holds that the two agree. Those that say what the command shows and writes are not here.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Literal, TypedDict

from downloader.settings import HttpVersion, OnExists, OnFull

Count = int | Literal["auto"]
"""A number, or ``auto``: as many as help."""

Size = int | str
"""Bytes, or text such as ``"10M"``."""

Seconds = float | str
"""Seconds, or text such as ``"5m"``."""

Texts = list[str] | tuple[str, ...]


class Keywords(TypedDict, total=False):
    """What `downloader.download` and the others take as ``**settings``."""

    strategy: str
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
    process: str | Callable[[Path], object]
    keep_paths: bool
    cut_dirs: int
    max_size: Size
    min_size: Size
    expect_type: Texts
    checksums: str
    require_checksums: bool
    fail_fast: bool
    skip_bad_lines: bool
    grace: Seconds
