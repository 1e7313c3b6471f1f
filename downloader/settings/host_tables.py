"""Reads the sections ``[host."example.org"]`` of a configuration file, and ``hosts=`` of the library.

Their keys are those settings that make sense for one host; each value is checked as that setting is. A message never contains
a value, because most of them may be secret.
"""

from collections.abc import Collection, Mapping
from typing import Any

import msgspec

from downloader.core.names.urls import clean_url, host_of
from downloader.errors import UsageError
from downloader.settings.definitions import HostSettings, parse_header
from downloader.settings.fields import fields
from downloader.settings.values import Form, WrongValue, read

KEYS = tuple(item.encode_name for item in msgspec.structs.fields(HostSettings) if item.name != "pattern")
"""The keys of a section."""

OWN_KEYS = frozenset({"header", "user", "password-env", "bearer-env", "netrc"})
"""The keys that are accepted only from a file that the user named, or that is the user's own."""

OVERRIDABLE = frozenset({"per_host", "limit_rate_per_host", "wait", "max_requests_per_second", "user_agent"})
"""The settings, by attribute name, that a flag or an environment variable sets for every host: a section does not change them.

The credentials of a section are not among them: as those of netrc, they are those of its hosts.
"""

_FORMS = {item.key: item.form for item in fields()} | {"per-host": Form("whole", minimum=1), "password-env": Form()}
_SECRET_KEYS = frozenset({"password", "token", "bearer", "authorization"})
_HINT = "password-env and bearer-env name environment variables; netrc = true reads ~/.netrc"


class HostSections:
    """Sections, collected from several places. A later one overrides an earlier one for the same hosts, value by value.

    ``origins``: where each value comes from, by pattern and key.
    """

    def __init__(self) -> None:
        self._values: dict[str, dict[str, Any]] = {}
        self.origins: dict[tuple[str, str], str] = {}

    def add(self, table: Any, origin: str) -> None:
        """Read the sections of a table ``host``. ``origin``: for messages. Raises UsageError."""
        names: dict[str, str] = {}
        for text, section in checked_table(table, origin).items():
            pattern = located_pattern(text, origin)
            other = names.setdefault(pattern, text)
            if other != text:
                raise UsageError(f'[host."{text}"] ({origin}): [host."{other}"] names the same hosts')
            values = self._values.setdefault(pattern, {})
            for key, value in section.items():
                values[key.replace("-", "_")] = read_value(text, key, value, origin)
                self.origins[pattern, key] = origin
            check_combination(text, values, origin)

    def leave_out(self, names: Collection[str]) -> None:
        """Forget the values of these settings, by attribute name: a flag or a variable sets them for every host."""
        for name in OVERRIDABLE.intersection(names):
            for values in self._values.values():
                values.pop(name, None)
            for pattern in self._values:
                self.origins.pop((pattern, name.replace("_", "-")), None)

    def result(self) -> tuple[HostSettings, ...]:
        """The sections."""
        return tuple(HostSettings(pattern=pattern, **values) for pattern, values in self._values.items())


def checked_table(table: Any, origin: str) -> Mapping[str, Mapping[str, Any]]:
    """The table ``host`` itself. Raises UsageError if it is something else."""
    if not isinstance(table, Mapping) or not all(isinstance(section, Mapping) for section in table.values()):
        raise UsageError(f"host ({origin}): expected sections", hint='as [host."example.org"]')
    return table


def located_pattern(text: str, origin: str) -> str:
    """`host_pattern`, with an error that says where the pattern stands."""
    try:
        return host_pattern(text)
    except UsageError as error:
        raise UsageError(f"[host] ({origin}): {error.reason}", hint=error.hint) from None


def host_pattern(text: str) -> str:
    """A pattern as the user wrote it, in the form of `downloader.core.limits.host_table`. Raises UsageError."""
    domain = text.removeprefix("*.")
    problem = UsageError(f"not a host: {text!r}", hint="write a host, as example.org, *.example.org or example.org:8080")
    wrong = any(character in '/\\@?#*,"' or ord(character) <= 32 for character in domain)
    if wrong or "" in domain.removesuffix(".").split("."):
        raise problem
    try:
        host = host_of(clean_url(f"http://{domain}/"))
    except UsageError:
        raise problem from None
    if domain is not text and host.startswith("["):
        raise problem
    return host if domain is text else f"*.{host}"


def read_value(text: str, key: str, value: Any, origin: str) -> Any:
    """The value of one key of the section ``text``. Raises UsageError."""
    where = f'[host."{text}"] {key} ({origin})'
    if key not in KEYS:
        if key in _SECRET_KEYS:
            raise UsageError(f"{where}: secrets are not read from this place", hint=_HINT)
        import difflib  # here: few runs need it

        near = difflib.get_close_matches(key, KEYS, n=1, cutoff=0.5)
        raise UsageError(f"{where}: unknown setting", hint=f"did you mean {near[0]}?" if near else f"one of {', '.join(KEYS)}")
    try:
        checked = read(_FORMS[key], value)
    except WrongValue as error:
        raise UsageError(f"{where}: {error}") from None
    if key == "user" and ":" in checked:
        raise UsageError(f"{where}: a password is not read from this place", hint=_HINT)
    if key == "header":
        _check_headers(checked, where)
    return checked


def _check_headers(headers: tuple[str, ...], where: str) -> None:
    for header in headers:
        try:
            name, _ = parse_header(header)
        except UsageError as error:
            raise UsageError(f"{where}: {error.reason}") from None
        if name.lower() in ("authorization", "proxy-authorization"):
            raise UsageError(f"{where}: {name} is not read from this place", hint=_HINT)


def check_combination(text: str, values: Mapping[str, Any], origin: str) -> None:
    """Raises UsageError for keys of one section that contradict each other. ``values``: by attribute name."""
    where = f'[host."{text}"] ({origin})'
    user, password, token = (bool(values.get(name)) for name in ("user", "password_env", "bearer_env"))
    if user != password:
        missing = "password-env" if user else "user"
        raise UsageError(f"{where}: {missing} is missing", hint="user and password-env belong together")
    if token + user + bool(values.get("netrc")) > 1:
        raise UsageError(f"{where}: give one of user, bearer-env and netrc")


def read_keyword(hosts: object) -> tuple[HostSettings, ...]:
    """The sections of the library's ``hosts=``, whose names have underscores. Raises UsageError."""
    table = hosts
    if isinstance(hosts, Mapping):
        table = {
            host: {str(key).replace("_", "-"): value for key, value in section.items()}
            if isinstance(section, Mapping)
            else section
            for host, section in hosts.items()
        }
        if not all(isinstance(host, str) for host in hosts):
            table = None
    if not isinstance(table, Mapping) or not all(isinstance(section, Mapping) for section in table.values()):
        raise UsageError("hosts: expected a dict of dicts", hint='as {"example.org": {"per_host": 2}}')
    sections = HostSections()
    sections.add(table, "hosts")
    return sections.result()
