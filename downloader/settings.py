"""Every setting of a run: its type, default, bounds and one line of explanation, said once.

The command's flags, the environment (``DL_RETRY_WAIT``), the TOML file and the library's keywords all come from the
fields of `Settings`. Flags over environment over file over default; `Layers` remembers where each value came from.
"""

import difflib
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import msgspec
from msgspec import Meta

from downloader.errors import UsageError

PREFIX = "DL_"
PASSWORD = f"{PREFIX}PASSWORD"
NO_SETTINGS = frozenset({f"{PREFIX}CONFIG", PASSWORD})
"""Variables of ours that are no settings."""

FILE_NAME = "downloader.toml"
HttpVersion = Literal["auto", "1.1", "2", "3"]
OnExists = Literal["skip", "overwrite", "rename", "fail", "refresh"]
OnFull = Literal["stop", "wait"]
Progress = Literal["auto", "bar", "plain", "json", "none"]


def _about(text: str, short: str = "", unit: str = "", **bounds: Any) -> Meta:
    return Meta(description=text, extra={"short": short, "unit": unit}, **bounds)


def _auto(text: str, short: str = "", **bounds: Any) -> Meta:
    """For a number that may also be called ``auto``, which is 0."""
    return Meta(description=text, extra={"short": short, "unit": "N|auto", "auto": True}, **bounds)


def _size(text: str, **bounds: Any) -> Meta:
    """For bytes, which may also be written as ``10M``."""
    return Meta(description=text, extra={"short": "", "unit": "BYTES", "size": True}, **bounds)


class Settings(msgspec.Struct, frozen=True, rename="kebab", forbid_unknown_fields=True, kw_only=True):
    """What a run is told. Times in seconds, sizes in bytes; an empty text means unset; 0 turns a limit off."""

    strategy: Annotated[str, _about("the concurrency model; see `dl strategies`", "-s", "NAME")] = "auto"
    dir: Annotated[str, _about("the folder that files go into; made if missing", "-d", "DIR")] = "."
    jobs: Annotated[int, _auto("in flight at most, in all; auto: as many as help", "-j", ge=0)] = 0
    per_host: Annotated[
        int, _auto("in flight at most at one host; auto: 16 at a public host, whatever --jobs says, else up to 256", ge=0)
    ] = 0
    segments: Annotated[
        int, _auto("parts of one file at a time; auto: as many as help, 6 from a public host; 1: never split", ge=0)
    ] = 0
    aggressive: Annotated[bool, _about("treat public hosts as our own: auto means as many as help there, too")] = False
    min_segment_size: Annotated[int, _size("no part is smaller than this", ge=1)] = 1_048_576
    wait: Annotated[float, _about("least time between the starts of two requests to one host", "", "S", ge=0)] = 0.0
    max_requests_per_second: Annotated[
        float, _about("started at one host at most; the longer gap of this and --wait holds; 0: no limit", "", "N", ge=0)
    ] = 0.0
    obey_robots: Annotated[bool, _about("ask each server for its robots.txt first; obey that, and Crawl-delay")] = False
    limit_rate: Annotated[int, _size("bytes a second at most, in all; 0: no limit", ge=0)] = 0
    limit_rate_per_host: Annotated[int, _size("bytes a second at most from one host; 0: no limit", ge=0)] = 0
    retries: Annotated[int, _about("tries after the first", "-r", "N", ge=0)] = 5
    retry_on: Annotated[tuple[str, ...], _about("try again after these statuses, too, as 403,404", "", "STATUS")] = ()
    host_failures: Annotated[int, _about("time-outs until a host that never answered is given up; 0: never", "", "N", ge=0)] = 3
    retry_wait: Annotated[float, _about("the first backoff; it doubles from try to try", "", "S", ge=0)] = 0.5
    max_retry_after: Annotated[float, _about("the longest wait that a server may ask for", "", "S", ge=0)] = 120.0
    connect_timeout: Annotated[float, _about("for a connection to be made", "", "S", gt=0)] = 15.0
    timeout: Annotated[float, _about("for one attempt as a whole; 0: no limit", "", "S", ge=0)] = 0.0
    low_speed_limit: Annotated[int, _about("slower than this is a stall, bytes a second", "", "BYTES", ge=0)] = 1
    low_speed_time: Annotated[float, _about("for this long", "", "S", gt=0)] = 30.0
    on_exists: Annotated[OnExists, _about("what to do where the file is there already")] = "skip"
    on_full: Annotated[OnFull, _about("what to do when the disk is full: end the run, or wait for space")] = "stop"
    content_disposition: Annotated[bool, _about("let the server name the file (asks it once more)")] = False
    mtime: Annotated[bool, _about("give files the server's time")] = True
    header: Annotated[tuple[str, ...], _about("send this header too; may be repeated", "-H", "'K: V'")] = ()
    user_agent: Annotated[str, _about("how to introduce ourselves; empty: downloader/VERSION", "", "S")] = ""
    user: Annotated[str, _about("send this user; DL_PASSWORD is the password, else it is asked for", "", "NAME")] = ""
    bearer_env: Annotated[str, _about("send the token that is in this environment variable", "", "VARIABLE")] = ""
    netrc: Annotated[bool, _about("take users and passwords from ~/.netrc")] = False
    netrc_file: Annotated[str, _about("… from this file", "", "FILE")] = ""
    cookies: Annotated[str, _about("send cookies from this file (Netscape format)", "", "FILE")] = ""
    http_version: Annotated[HttpVersion, _about("auto: 1.1 for http://, the best that is offered for https://")] = "auto"
    proxy: Annotated[str, _about("http://, https:// or socks5://; empty: from the environment", "", "URL")] = ""
    cacert: Annotated[str, _about("trust the certificates in this file", "", "FILE")] = ""
    cert: Annotated[str, _about("our own certificate", "", "FILE")] = ""
    key: Annotated[str, _about("its private key, where it is not in the same file", "", "FILE")] = ""
    insecure: Annotated[bool, _about("do not verify certificates")] = False
    allow_downgrade: Annotated[bool, _about("follow redirects from https to http")] = False
    max_redirects: Annotated[int, _about("redirects to follow for one file", "", "N", ge=0)] = 10
    process: Annotated[str, _about("call this with each finished file, before it gets its name", "", "MODULE:FUNCTION")] = ""
    keep_paths: Annotated[bool, _about("keep the host and the folders of each URL: host/path/name", "-x")] = False
    cut_dirs: Annotated[int, _about("with --keep-paths: leave out so many of the first folders", "", "N", ge=0)] = 0
    max_size: Annotated[int, _size("refuse files larger than this; 0: no limit", ge=0)] = 0
    min_size: Annotated[int, _size("refuse files smaller than this", ge=0)] = 0
    expect_type: Annotated[tuple[str, ...], _about("refuse other media types, as 'image/*'; may be repeated", "", "TYPE")] = ()
    checksums: Annotated[str, _about("verify against this file: lines of `digest  name`", "", "FILE")] = ""
    require_checksums: Annotated[bool, _about("fail files for which no checksum is given, before they are fetched")] = False
    report: Annotated[str, _about("write one JSON line for each URL, as it ends; -: standard output", "", "FILE")] = ""
    trace: Annotated[str, _about("write one JSON line for each attempt: when and where it ran", "", "FILE")] = ""
    failed: Annotated[str, _about("write the entries that failed, ready to be fed back", "", "FILE")] = ""
    progress: Annotated[Progress, _about("how progress is shown")] = "auto"
    quiet: Annotated[bool, _about("say nothing but errors", "-q")] = False
    verbose: Annotated[bool, _about("say what happens to each file", "-v")] = False
    log_file: Annotated[str, _about("write what -v says to this file", "", "FILE")] = ""
    fail_fast: Annotated[bool, _about("stop at the first failure")] = False
    skip_bad_lines: Annotated[bool, _about("go on past lines of a list that are wrong")] = False
    grace: Annotated[float, _about("when stopped, how long running files may take to end", "", "S", ge=0)] = 3.0

    @property
    def gap(self) -> float:
        """Seconds at least between the starts of two requests to one host: the longer of the two settings about it."""
        return max(self.wait, 1 / self.max_requests_per_second if self.max_requests_per_second else 0.0)

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
    kind: type
    choices: tuple[str, ...]
    many: bool
    auto: bool
    size: bool
    default: Any
    help: str
    short: str
    unit: str

    @property
    def variable(self) -> str:
        """The environment variable."""
        return PREFIX + self.name.upper()


def fields() -> tuple[Field, ...]:
    """All settings, in the order of `Settings`."""
    found = []
    for info in msgspec.structs.fields(Settings):
        inner, meta = get_args(info.type)
        choices = tuple(get_args(inner)) if get_origin(inner) is Literal else ()
        many = get_origin(inner) is tuple
        kind = str if choices or many else inner
        extra = meta.extra or {}
        text = meta.description or ""
        auto, size = extra.get("auto", False), extra.get("size", False)
        found.append(
            Field(
                info.name, info.encode_name, kind, choices, many, auto, size, info.default, text, extra["short"], extra["unit"]
            )
        )
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Layers:
    """Settings, and for each value where it came from: ``default``, a file, ``environment`` or ``flag``."""

    settings: Settings
    origins: dict[str, str] = field(default_factory=dict)


def load(flags: Mapping[str, Any], environment: Mapping[str, str], file: Path | None) -> Layers:
    """Put the layers together. ``flags``: by attribute name, only those given. Raises UsageError, naming where."""
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    from_environment: set[str] = set()
    by_name = {item.name: item for item in fields()}
    if file is not None:
        for key, value in read_file(file).items():
            values[key] = value
            origins[key.replace("-", "_")] = str(file)
    for variable, text in environment.items():
        if not variable.startswith(PREFIX) or variable in NO_SETTINGS:
            continue
        item = by_name.get(variable.removeprefix(PREFIX).lower())
        if item is None:
            raise _unknown(f"environment variable {variable}", variable, [f.variable for f in by_name.values()])
        values[item.key] = text.splitlines() if item.many else text
        origins[item.name] = f"environment variable {variable}"
        from_environment.add(item.name)
    for name, value in flags.items():
        values[by_name[name].key] = value
        origins[name] = "flag"
    texts = frozenset(name for name, origin in origins.items() if name in from_environment and origin != "flag")
    return Layers(convert(values, origins, texts), origins)


def convert(
    values: Mapping[str, Any], origins: Mapping[str, str] | None = None, texts: frozenset[str] = frozenset()
) -> Settings:
    """Check the values (by TOML key) and make Settings. Raises UsageError naming the key and its origin.

    ``texts``: the names whose values are text, to be read as what they stand for.
    """
    known = {item.key: item for item in fields()}
    origins = origins or {}
    checked: dict[str, Any] = {}
    for key, value in values.items():
        origin = origins.get(key.replace("-", "_"), "")
        if key not in known:
            raise _unknown(f"setting {key!r}" + (f" in {origin}" if origin else ""), key, list(known))
        item = known[key]
        text_layer = item.name in texts
        try:
            value = _number(value, item)
            one = msgspec.convert({key: _lenient(value, item) if text_layer else value}, Settings, strict=not text_layer)
        except msgspec.ValidationError as error:
            what = str(error).partition(" - at ")[0].replace("`", "")
            if isinstance(value, str) and (item.auto or item.size):
                what = f"expected {'a number, or auto' if item.auto else 'bytes, as 500k or 10M'}, got {value!r}"
            flag = f"--{key}" if origin == "flag" else key
            raise UsageError(f"{flag}{f' ({origin})' if origin else ''}: {what}", hint=_choices(item)) from None
        checked[item.name] = getattr(one, item.name)
    return Settings(**checked)


def _choices(item: Field) -> str:
    return f"one of {', '.join(item.choices)}" if item.choices else ""


def _lenient(value: Any, item: Field) -> Any:
    if item.kind is bool and isinstance(value, str):
        return {"yes": True, "on": True, "no": False, "off": False, "": False}.get(value.lower(), value)
    return value


_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)([kKMGT]?)(i?)[bB]?")


def parse_size(text: str) -> int | None:
    """``10M``, ``64Ki``, ``500``: bytes. None for what is none of these."""
    match = _SIZE.fullmatch(text)
    if match is None:
        return None
    power = " KMGT".index(match[2].upper() or " ")
    return int(float(match[1]) * (1024 if match[3] else 1000) ** power)


def _number(value: Any, item: Field) -> Any:
    """``auto`` and ``10M`` as the numbers they stand for; anything else as it is."""
    if item.auto and value == "auto":
        return 0
    if item.auto and isinstance(value, str) and value.isascii() and value.removeprefix("-").isdigit():
        return int(value)
    size = parse_size(value) if item.size and isinstance(value, str) else None
    return value if size is None else size


def _unknown(what: str, name: str, known: list[str]) -> UsageError:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return UsageError(f"unknown {what}", hint=f"did you mean {near[0]}?" if near else "see config.example.toml")


def read_file(path: Path) -> dict[str, Any]:
    """A TOML file as a flat table. Raises UsageError."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"cannot read the configuration {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"the configuration {path} is not TOML: {error}") from None


def find_file(given: str | None, environment: Mapping[str, str]) -> Path | None:
    """The configuration file: the one given, else ``./downloader.toml``, else the user's. None where there is none."""
    given = given or environment.get(f"{PREFIX}CONFIG") or None
    if given is not None:
        return None if given == os.devnull else Path(given)
    here = Path(FILE_NAME)
    if here.is_file():
        return here
    from platformdirs import user_config_path  # here: it costs milliseconds that most calls need not pay

    user = user_config_path("downloader") / FILE_NAME
    return user if user.is_file() else None


def example() -> str:
    """The text of ``config.example.toml``: every setting with its default and its explanation."""
    lines = [
        "# Every setting of `dl`, with its default. Copy to ./downloader.toml, or to downloader/downloader.toml in your",
        "# configuration folder, and keep what you change. Each is also a flag (--retry-wait) and an environment",
        "# variable (DL_RETRY_WAIT); flags go over the environment, the environment over this file.",
    ]
    for item in fields():
        choices = f" ({', '.join(item.choices)})" if item.choices else ""
        value = list(item.default) if item.many else "auto" if item.auto and not item.default else item.default
        lines += ["", f"# {item.help}{choices}", f"{item.key} = {msgspec.json.encode(value).decode()}"]
    return "\n".join(lines) + "\n"
