"""Every setting of a run, defined once: its type, default, bounds and one line of explanation.

The command's flags, the environment variables (``DL_RETRY_WAIT``), the keys of the TOML file and the library's keywords all
come from the fields of `Settings`. `downloader.settings.layers` combines these places, `downloader.settings.config_files` finds
the file, and `downloader.settings.values` reads single values.
"""

from collections.abc import Mapping
from enum import Enum
from functools import cache
from typing import Annotated, Any, Literal, get_args, get_origin

import msgspec
from msgspec import Meta, Struct

from downloader.errors import UsageError
from downloader.settings.values import AUTO_MESSAGE, MAX_SECONDS, Form, Kind, WrongValue, read

PREFIX = "DL_"
PASSWORD_VARIABLE = f"{PREFIX}PASSWORD"
"""The environment variable with a password: it is read, but is no setting."""

HttpVersion = Literal["auto", "1.1", "2", "3"]
OnExists = Literal["skip", "overwrite", "rename", "fail", "refresh"]
OnFull = Literal["stop", "wait"]
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


class Settings(msgspec.Struct, frozen=True, rename="kebab", forbid_unknown_fields=True, kw_only=True):
    """The settings of a run. Times in seconds, sizes in bytes; an empty text means unset; 0 turns a limit off."""

    strategy: Annotated[str, _option(ANY, "concurrency model; `dl strategies` lists them", "-s", "NAME")] = "auto"
    dir: Annotated[
        str, _option(OWN, "folder for the downloaded files; created if missing", "-d", "DIR", variable="DL_TARGET_DIR")
    ] = "."
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
    process: Annotated[
        str, _option(OWN, "call this function with each finished file, before the file gets its name", "", "MODULE:FUNCTION")
    ] = ""
    keep_paths: Annotated[bool, _option(ANY, "keep the host and the folders of each URL: host/path/name", "-x")] = False
    cut_dirs: Annotated[int, _option(ANY, "with --keep-paths: omit the first N folders", "", "N", ge=0)] = 0
    max_size: Annotated[int, _size(ANY, "refuse files that are larger than this; 0: no limit", ge=0)] = 0
    min_size: Annotated[int, _size(ANY, "refuse files that are smaller than this", ge=0)] = 0
    expect_type: Annotated[
        tuple[str, ...], _option(ANY, "accept only this media type, such as 'image/*'; may be repeated", "", "TYPE")
    ] = ()
    checksums: Annotated[str, _option(ANY, "verify files against this file, with lines of `digest  name`", "", "FILE")] = ""
    require_checksums: Annotated[bool, _option(ANY, "do not fetch files without a checksum: report them as failed")] = False
    report: Annotated[str, _option(OWN, "write one JSON line for each finished URL; -: standard output", "", "FILE")] = ""
    trace: Annotated[str, _option(OWN, "write one JSON line for each attempt: when and where it ran", "", "FILE")] = ""
    failed: Annotated[str, _option(OWN, "write the list entries that failed, as a list for another run", "", "FILE")] = ""
    progress: Annotated[Progress, _option(ANY, "how to show the progress")] = "auto"
    quiet: Annotated[bool, _option(ANY, "print only errors", "-q")] = False
    verbose: Annotated[bool, _option(ANY, "log what happens to each file", "-v")] = False
    log_file: Annotated[str, _option(OWN, "write the log of -v to this file", "", "FILE")] = ""
    fail_fast: Annotated[bool, _option(ANY, "stop at the first failure")] = False
    skip_bad_lines: Annotated[bool, _option(ANY, "skip invalid lines of a list")] = False
    grace: Annotated[float, _time(ANY, "time that running files have to finish after Ctrl-C", ge=0)] = 3.0

    @property
    def gap(self) -> float:
        """The minimum time in seconds between the starts of two requests to one host: the longer gap of the two settings."""
        rate = self.max_requests_per_second
        return max(self.wait, min(1 / rate, MAX_SECONDS) if rate else 0.0)

    @property
    def header_pairs(self) -> tuple[tuple[str, str], ...]:
        """The setting ``header`` as pairs. Raises UsageError for a text that is not ``Name: value``."""
        return tuple(parse_header(text) for text in self.header)


def parse_header(text: str) -> tuple[str, str]:
    """``Name: value`` as a pair; RFC 9110 section 5. Raises UsageError; the message does not contain the text."""
    name, colon, value = text.partition(":")
    token = name.strip()
    is_token = token.isascii() and token.replace("-", "").replace("_", "").isalnum()
    if not colon or not is_token or any(ord(c) < 32 and c != "\t" for c in value) or not value.isascii():
        raise UsageError("a header is not of the form 'Name: value'")  # the text may be secret
    return token, value.strip()


class Field(Struct, frozen=True):
    """One setting, as the command line and the documentation use it."""

    name: str  # the attribute of `Settings`
    key: str  # in TOML; the flag is the key after two dashes
    variable: str  # in the environment
    kind: type
    many: bool  # a tuple of texts
    form: Form
    trust: Trust
    own_values: tuple[str, ...]  # values that only the user's own file may set, of a setting for any file
    default: Any
    help: str
    short: str  # the one-letter flag
    unit: str  # what help shows for the value

    @property
    def choices(self) -> tuple[str, ...]:
        """All values, if the setting has a fixed set of them."""
        return self.form.choices

    @property
    def auto(self) -> bool:
        """Whether the user may write ``auto``, which is 0."""
        return self.form.kind == "auto"

    @property
    def size(self) -> bool:
        """Whether the value is a number of bytes."""
        return self.form.kind == "size"

    def needs_trust(self, value: Any) -> bool:
        """Whether this value of a file is only accepted from the user's own file. A default is accepted from any."""
        if self.trust is ANY:
            return value in self.own_values
        return bool(value != (list(self.default) if self.many else self.default))


_KINDS: dict[Any, Kind] = {bool: "switch", int: "whole", float: "number", str: "text"}


@cache
def fields() -> tuple[Field, ...]:
    """All settings, in the order of `Settings`."""
    result = []
    for info in msgspec.structs.fields(Settings):
        inner, meta = get_args(info.type)
        choices = tuple(get_args(inner)) if get_origin(inner) is Literal else ()
        many = get_origin(inner) is tuple
        kind = str if choices or many else inner
        extra = meta.extra
        default_kind: Kind = "choice" if choices else "texts" if many else _KINDS[kind]
        result.append(
            Field(
                name=info.name,
                key=info.encode_name,
                variable=extra.get("variable", PREFIX + info.name.upper()),
                kind=kind,
                many=many,
                form=Form(extra.get("kind", default_kind), minimum=meta.ge, exclusive_minimum=meta.gt, choices=choices),
                trust=extra["trust"],
                own_values=extra.get("own_values", ()),
                default=info.default,
                help=meta.description,
                short=extra["short"],
                unit=extra["unit"],
            )
        )
    return tuple(result)


def convert(
    values: Mapping[str, Any], origins: Mapping[str, str] | None = None, texts: frozenset[str] = frozenset()
) -> Settings:
    """Settings from values. Raises UsageError for an unknown key or a wrong value; the message names the key and its origin.

    Args:
        values: by TOML key.
        origins: by attribute name, where a value comes from. A value without an origin comes from a program, which may write
            0 for ``auto``.
        texts: attribute names whose values are text because of where they come from: numbers and switches, too.
    """
    known = {item.key: item for item in fields()}
    origins = origins or {}
    checked: dict[str, Any] = {}
    for key, value in values.items():
        origin = origins.get(key.replace("-", "_"), "")
        if key not in known:
            import difflib  # here: few runs need it

            similar = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
            hint = f"did you mean {similar[0]}?" if similar else "see config.example.toml"
            raise UsageError(f"unknown setting {key!r}" + (f" in {origin}" if origin else ""), hint=hint)
        item = known[key]
        try:
            checked[item.name] = read(item.form, value, item.name in texts)
            if item.auto and origin and not checked[item.name] and value != "auto":
                raise WrongValue(AUTO_MESSAGE)
        except WrongValue as error:
            named = f"--{key}" if origin == "flag" else f"{key} ({origin})" if origin else key
            raise UsageError(f"{named}: {error}") from None
    return Settings(**checked)


def example() -> str:
    """The text of ``config.example.toml``: every setting with its default and its explanation, as TOML."""
    known = fields()
    import textwrap  # here: only the file of the repository is made with it

    own = ", ".join(item.key for item in known if item.trust is OWN)
    lines = [
        "# Every setting of `dl`, with its default. Copy this file to ./downloader.toml, or to downloader/downloader.toml in",
        "# your configuration folder, and keep the lines that you change. Each setting is also a flag (--retry-wait) and an",
        "# environment variable (DL_RETRY_WAIT; DL_TARGET_DIR for dir). A flag overrides the environment variable, and the",
        "# environment variable overrides this file.",
        '# A size is a number of bytes, or a text such as "10M" or "64Ki". A time is a number of seconds, or a text such as',
        '# "5m" or "200ms".',
        "#",
        "# From a ./downloader.toml, these are only taken with --config downloader.toml:",
        *("# " + line for line in textwrap.wrap(f'{own}, and on-exists = "overwrite".', 116, break_on_hyphens=False)),
    ]
    for item in known:
        choices = f" ({', '.join(item.choices)})" if item.choices else ""
        value = list(item.default) if item.many else "auto" if item.auto and not item.default else item.default
        lines += ["", f"# {item.help}{choices}", f"{item.key} = {msgspec.json.encode(value).decode()}"]
    return "\n".join(lines) + "\n"
