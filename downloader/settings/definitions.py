"""Every setting of a run: its type, default, bounds and one line of explanation, said once.

The command's flags, the environment (``DL_RETRY_WAIT``), the TOML file and the library's keywords all come from the
fields of `Settings`. `downloader.settings.layers` puts these together, `downloader.settings.config_files` finds the file, and
`downloader.settings.values` reads single values.
"""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import Annotated, Any, Literal, get_args, get_origin

import msgspec
from msgspec import Meta

from downloader.errors import UsageError
from downloader.settings.values import AUTO_SAID, MOST_SECONDS, Form, Kind, WrongValue, read

PREFIX = "DL_"
PASSWORD = f"{PREFIX}PASSWORD"
"""A variable of ours that is no setting."""

HttpVersion = Literal["auto", "1.1", "2", "3"]
OnExists = Literal["skip", "overwrite", "rename", "fail", "refresh"]
OnFull = Literal["stop", "wait"]
Progress = Literal["auto", "bar", "plain", "json", "none"]


class Trust(Enum):
    """Whether a setting is taken from a file that was merely found in the current folder, and may be another's."""

    ANY = "from any file"
    ASKED = "only from a file that was asked for, or is the user's own"


ANY, ASKED = Trust.ANY, Trust.ASKED


def _about(trust: Trust, text: str, short: str = "", unit: str = "", **more: Any) -> Meta:
    """``more``: the bounds ``ge`` and ``gt``; ``kind`` and ``variable`` where they are not the usual; ``asked``: values of
    a setting for ANY that are taken as for ASKED."""
    bounds = {name: more.pop(name) for name in ("ge", "gt") if name in more}
    return Meta(description=text, extra={"trust": trust, "short": short, "unit": unit, **more}, **bounds)


def _auto(trust: Trust, text: str, short: str = "", **bounds: Any) -> Meta:
    """For a number that may also be called ``auto``, which is 0."""
    return _about(trust, text, short, "N|auto", kind="auto", **bounds)


def _size(trust: Trust, text: str, **bounds: Any) -> Meta:
    """For bytes, which may also be written as ``10M``."""
    return _about(trust, text, "", "SIZE", kind="size", **bounds)


def _time(trust: Trust, text: str, **bounds: Any) -> Meta:
    """For seconds, which may also be written as ``5m``."""
    return _about(trust, text, "", "TIME", kind="time", **bounds)


class Settings(msgspec.Struct, frozen=True, rename="kebab", forbid_unknown_fields=True, kw_only=True):
    """What a run is told. Times in seconds, sizes in bytes; an empty text means unset; 0 turns a limit off."""

    strategy: Annotated[str, _about(ANY, "the concurrency model; see `dl strategies`", "-s", "NAME")] = "auto"
    dir: Annotated[
        str, _about(ASKED, "the folder that files go into; made if missing", "-d", "DIR", variable="DL_TARGET_DIR")
    ] = "."
    jobs: Annotated[int, _auto(ANY, "in flight at most, in all; auto: as many as help", "-j", ge=0)] = 0
    per_host: Annotated[
        int, _auto(ANY, "in flight at most at one host; auto: 16 at a public host, whatever --jobs says, else up to 256", ge=0)
    ] = 0
    segments: Annotated[
        int, _auto(ANY, "parts of one file at a time; auto: as many as help, 6 from a public host; 1: never split", ge=0)
    ] = 0
    aggressive: Annotated[bool, _about(ASKED, "treat public hosts as our own: auto means as many as help there, too")] = False
    min_segment_size: Annotated[int, _size(ANY, "no part is smaller than this", ge=1)] = 1_048_576
    wait: Annotated[float, _time(ANY, "least time between the starts of two requests to one host", ge=0)] = 0.0
    max_requests_per_second: Annotated[
        float, _about(ANY, "started at one host at most; the longer gap of this and --wait holds; 0: no limit", "", "N", ge=0)
    ] = 0.0
    obey_robots: Annotated[bool, _about(ANY, "ask each server for its robots.txt first; obey that, and Crawl-delay")] = False
    limit_rate: Annotated[int, _size(ANY, "bytes a second at most, in all; 0: no limit", ge=0)] = 0
    limit_rate_per_host: Annotated[int, _size(ANY, "bytes a second at most from one host; 0: no limit", ge=0)] = 0
    retries: Annotated[int, _about(ANY, "tries after the first", "-r", "N", ge=0)] = 5
    retry_on: Annotated[
        tuple[str, ...], _about(ANY, "try again after these statuses, too, as 403,404", "", "STATUS", kind="statuses")
    ] = ()
    host_failures: Annotated[
        int, _about(ANY, "time-outs until a host that never answered is given up; 0: never", "", "N", ge=0)
    ] = 3
    retry_wait: Annotated[float, _time(ANY, "the first backoff at most; it is random, and doubles with each try", ge=0)] = 0.5
    max_retry_after: Annotated[float, _time(ANY, "the longest wait that a server may ask for", ge=0)] = 120.0
    connect_timeout: Annotated[float, _time(ANY, "for a connection to be made", gt=0)] = 15.0
    timeout: Annotated[float, _time(ANY, "for one attempt as a whole; 0: no limit", ge=0)] = 0.0
    low_speed_limit: Annotated[int, _size(ANY, "slower than this is a stall, bytes a second", ge=0)] = 1
    low_speed_time: Annotated[float, _time(ANY, "for this long", gt=0)] = 30.0
    on_exists: Annotated[OnExists, _about(ANY, "what to do where the file is there already", asked=("overwrite",))] = "skip"
    on_full: Annotated[OnFull, _about(ANY, "what to do when the disk is full: end the run, or wait for space")] = "stop"
    content_disposition: Annotated[bool, _about(ANY, "let the server name the file (asks it once more)")] = False
    mtime: Annotated[bool, _about(ANY, "give files the server's time")] = True
    header: Annotated[tuple[str, ...], _about(ASKED, "send this header too; may be repeated", "-H", "'K: V'")] = ()
    user_agent: Annotated[str, _about(ANY, "how to introduce ourselves; empty: downloader/VERSION", "", "TEXT")] = ""
    user: Annotated[str, _about(ASKED, "send this user; DL_PASSWORD is the password, else it is asked for", "", "NAME")] = ""
    bearer_env: Annotated[str, _about(ASKED, "send the token that is in this environment variable", "", "VARIABLE")] = ""
    netrc: Annotated[bool, _about(ASKED, "take users and passwords from ~/.netrc")] = False
    netrc_file: Annotated[str, _about(ASKED, "… from this file", "", "FILE")] = ""
    cookies: Annotated[str, _about(ASKED, "send cookies from this file (Netscape format)", "", "FILE")] = ""
    http_version: Annotated[HttpVersion, _about(ANY, "auto: 1.1 for http://, the best that is offered for https://")] = "auto"
    proxy: Annotated[str, _about(ASKED, "http://, https:// or socks5://; empty: from the environment", "", "URL")] = ""
    cacert: Annotated[str, _about(ASKED, "trust the certificates in this file", "", "FILE")] = ""
    cert: Annotated[str, _about(ASKED, "our own certificate", "", "FILE")] = ""
    key: Annotated[str, _about(ASKED, "its private key, where it is not in the same file", "", "FILE")] = ""
    insecure: Annotated[bool, _about(ASKED, "do not verify certificates")] = False
    allow_downgrade: Annotated[bool, _about(ASKED, "follow redirects from https to http")] = False
    max_redirects: Annotated[int, _about(ANY, "redirects to follow for one file", "", "N", ge=0)] = 10
    process: Annotated[
        str, _about(ASKED, "call this with each finished file, before it gets its name", "", "MODULE:FUNCTION")
    ] = ""
    keep_paths: Annotated[bool, _about(ANY, "keep the host and the folders of each URL: host/path/name", "-x")] = False
    cut_dirs: Annotated[int, _about(ANY, "with --keep-paths: leave out so many of the first folders", "", "N", ge=0)] = 0
    max_size: Annotated[int, _size(ANY, "refuse files larger than this; 0: no limit", ge=0)] = 0
    min_size: Annotated[int, _size(ANY, "refuse files smaller than this", ge=0)] = 0
    expect_type: Annotated[
        tuple[str, ...], _about(ANY, "refuse other media types, as 'image/*'; may be repeated", "", "TYPE")
    ] = ()
    checksums: Annotated[str, _about(ANY, "verify against this file: lines of `digest  name`", "", "FILE")] = ""
    require_checksums: Annotated[bool, _about(ANY, "fail files for which no checksum is given, before they are fetched")] = (
        False
    )
    report: Annotated[str, _about(ASKED, "write one JSON line for each URL, as it ends; -: standard output", "", "FILE")] = ""
    trace: Annotated[str, _about(ASKED, "write one JSON line for each attempt: when and where it ran", "", "FILE")] = ""
    failed: Annotated[str, _about(ASKED, "write the entries that failed, ready to be fed back", "", "FILE")] = ""
    progress: Annotated[Progress, _about(ANY, "how progress is shown")] = "auto"
    quiet: Annotated[bool, _about(ANY, "say nothing but errors", "-q")] = False
    verbose: Annotated[bool, _about(ANY, "say what happens to each file", "-v")] = False
    log_file: Annotated[str, _about(ASKED, "write what -v says to this file", "", "FILE")] = ""
    fail_fast: Annotated[bool, _about(ANY, "stop at the first failure")] = False
    skip_bad_lines: Annotated[bool, _about(ANY, "go on past lines of a list that are wrong")] = False
    grace: Annotated[float, _time(ANY, "when stopped, how long running files may take to end", ge=0)] = 3.0

    @property
    def gap(self) -> float:
        """Seconds at least between the starts of two requests to one host: the longer of the two settings about it."""
        rate = self.max_requests_per_second
        return max(self.wait, min(1 / rate, MOST_SECONDS) if rate else 0.0)

    @property
    def header_pairs(self) -> tuple[tuple[str, str], ...]:
        """The extra headers as pairs. Raises UsageError for one that is not ``Name: value``."""
        return tuple(parse_header(text) for text in self.header)


def parse_header(text: str) -> tuple[str, str]:
    """``Name: value`` as a pair; RFC 9110 section 5. Raises UsageError, never showing the value."""
    name, colon, value = text.partition(":")
    token = name.strip()
    named = token.isascii() and token.replace("-", "").replace("_", "").isalnum()
    if not colon or not named or any(ord(c) < 32 and c != "\t" for c in value) or not value.isascii():
        raise UsageError("a header is not of the form 'Name: value'")  # and no word of it, which may be secret
    return token, value.strip()


@dataclass(frozen=True, slots=True)
class Field:
    """One setting, as the command line and the documentation see it."""

    name: str  # as an attribute
    key: str  # in TOML; with two dashes, the flag
    variable: str  # of the environment
    kind: type
    many: bool
    form: Form
    trust: Trust
    asked: tuple[str, ...]  # values that need trust where the setting does not
    default: Any
    help: str
    short: str
    unit: str

    @property
    def choices(self) -> tuple[str, ...]:
        """The values, where there are only some."""
        return self.form.choices

    @property
    def auto(self) -> bool:
        """Whether 0 is called ``auto``."""
        return self.form.kind == "auto"

    @property
    def size(self) -> bool:
        """Whether the values are bytes."""
        return self.form.kind == "size"

    def needs_trust(self, value: Any) -> bool:
        """Whether this value, as it stands in a file, is only taken from one that was asked for. A default never is."""
        if self.trust is ANY:
            return value in self.asked
        return bool(value != (list(self.default) if self.many else self.default))


_KINDS: dict[Any, Kind] = {bool: "switch", int: "whole", float: "number", str: "text"}


@cache
def fields() -> tuple[Field, ...]:
    """All settings, in the order of `Settings`."""
    found = []
    for info in msgspec.structs.fields(Settings):
        inner, meta = get_args(info.type)
        choices = tuple(get_args(inner)) if get_origin(inner) is Literal else ()
        many = get_origin(inner) is tuple
        kind = str if choices or many else inner
        extra = meta.extra
        usual: Kind = "choice" if choices else "texts" if many else _KINDS[kind]
        found.append(
            Field(
                name=info.name,
                key=info.encode_name,
                variable=extra.get("variable", PREFIX + info.name.upper()),
                kind=kind,
                many=many,
                form=Form(extra.get("kind", usual), least=meta.ge, above=meta.gt, choices=choices),
                trust=extra["trust"],
                asked=extra.get("asked", ()),
                default=info.default,
                help=meta.description,
                short=extra["short"],
                unit=extra["unit"],
            )
        )
    return tuple(found)


def convert(
    values: Mapping[str, Any], origins: Mapping[str, str] | None = None, texts: frozenset[str] = frozenset()
) -> Settings:
    """Check the values (by TOML key) and make Settings. Raises UsageError naming the key and its origin.

    ``texts``: the names whose values are text, to be read as what they stand for. Values without an origin are a
    program's: there 0 is `Settings`' own word for ``auto``.
    """
    known = {item.key: item for item in fields()}
    origins = origins or {}
    checked: dict[str, Any] = {}
    for key, value in values.items():
        origin = origins.get(key.replace("-", "_"), "")
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]}?" if near else "see config.example.toml"
            raise UsageError(f"unknown setting {key!r}" + (f" in {origin}" if origin else ""), hint=hint)
        item = known[key]
        try:
            checked[item.name] = read(item.form, value, item.name in texts)
            if item.auto and origin and not checked[item.name] and value != "auto":
                raise WrongValue(AUTO_SAID)
        except WrongValue as error:
            named = f"--{key}" if origin == "flag" else f"{key} ({origin})" if origin else key
            raise UsageError(f"{named}: {error}") from None
    return Settings(**checked)


def example() -> str:
    """The text of ``config.example.toml``: every setting with its default and its explanation."""
    known = fields()
    import textwrap  # here: only the repository's own file is made with it

    asked = ", ".join(item.key for item in known if item.trust is ASKED)
    lines = [
        "# Every setting of `dl`, with its default. Copy to ./downloader.toml, or to downloader/downloader.toml in your",
        "# configuration folder, and keep what you change. Each is also a flag (--retry-wait) and an environment",
        "# variable (DL_RETRY_WAIT; of dir, DL_TARGET_DIR); flags go over the environment, the environment over this file.",
        '# Sizes are in bytes, or texts such as "10M" and "64Ki"; times are in seconds, or texts such as "5m" and "200ms".',
        "#",
        "# From a ./downloader.toml, these are only taken with --config downloader.toml:",
        *("# " + line for line in textwrap.wrap(f'{asked}, and on-exists = "overwrite".', 116, break_on_hyphens=False)),
    ]
    for item in known:
        choices = f" ({', '.join(item.choices)})" if item.choices else ""
        value = list(item.default) if item.many else "auto" if item.auto and not item.default else item.default
        lines += ["", f"# {item.help}{choices}", f"{item.key} = {msgspec.json.encode(value).decode()}"]
    return "\n".join(lines) + "\n"
