"""The settings as fields, from which the command line, the environment, the configuration file and the library are derived."""

from collections.abc import Mapping
from functools import cache
from typing import Any, Literal, get_args, get_origin

import msgspec
from msgspec import Struct

from downloader.errors import UsageError
from downloader.settings.definitions import ANY, OWN, PREFIX, HostSettings, Settings, Trust
from downloader.settings.values import AUTO_MESSAGE, Form, Kind, WrongValue, read


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
        if info.name == "hosts":
            continue
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
    values: Mapping[str, Any],
    origins: Mapping[str, str] | None = None,
    texts: frozenset[str] = frozenset(),
    hosts: tuple[HostSettings, ...] = (),
) -> Settings:
    """Settings from values. Raises UsageError for an unknown key or a wrong value; the message names the key and its origin.

    Args:
        values: by TOML key.
        origins: by attribute name, where a value comes from. A value without an origin comes from a program, which may write
            0 for ``auto``.
        texts: attribute names whose values are text because of where they come from: numbers and switches, too.
        hosts: the sections for single hosts, which `downloader.settings.host_tables` has read.
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
    return Settings(**checked, hosts=hosts)


def toml_value(item: Field, value: Any) -> Any:
    """A value of a setting as a configuration file has it. Encoded as JSON, it is also valid TOML."""
    if item.many:
        return [_encodable(text) for text in value]
    if isinstance(value, str):
        return _encodable(value)
    return "auto" if item.auto and not value else value


def _encodable(text: str) -> str:
    """The text with bytes that are not UTF-8 as escapes: a command line may contain any bytes."""
    return text.encode("utf-8", "backslashreplace").decode()


_TABLES = """
# A profile has any settings, which count with `dl --profile polite`.
# [profile.polite]
# per-host = 1
# segments = 1
# wait = "2s"

# Settings for the URLs of one host, of all hosts below a domain ("*.example.org"), or of one port ("example.org:8080").
# The most specific section counts. A flag or an environment variable for the same setting overrides it. Secrets are in
# environment variables or in ~/.netrc, never here. From a ./downloader.toml, header, user, password-env, bearer-env and
# netrc are only taken with --config downloader.toml.
# [host."example.org"]
# per-host = 2
# limit-rate-per-host = "5M"
# wait = "1s"
# max-requests-per-second = 1
# header = ["Accept: text/csv"]
# user-agent = "mirror of example.net (admin@example.net)"
# user = "ada"
# password-env = "EXAMPLE_PASSWORD"
# [host."*.example.com"]
# bearer-env = "EXAMPLE_TOKEN"
# [host."files.example.net"]
# netrc = true
"""
"""The end of the example: tables, as comments."""


def commented_example() -> str:
    """`example` with every setting commented out, so that a later default counts unless the user has changed the line."""
    return "".join(f"#{line}" if line[:1].isalpha() else line for line in example().splitlines(keepends=True))


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
        value = msgspec.json.encode(toml_value(item, item.default)).decode()
        lines += ["", f"# {item.help}{choices}", f"{item.key} = {value}"]
    return "\n".join(lines) + "\n" + _TABLES
