"""Values for hosts and for groups of hosts: the sections ``[host."example.org"]`` of the settings are looked up here.

A pattern is a host (``example.org``), all hosts below a domain (``*.example.org``, which does not include ``example.org``), or
either of them with a port (``example.org:8080``), which matches the URLs that contain this port. A host without a port matches
every port. The most specific pattern counts alone: a host before a domain, a longer domain before a shorter one, and the same
host with a port before that without.
"""

from collections.abc import Iterable, Mapping
from typing import Generic, TypeVar

_REMEMBERED_HOSTS = 4096
"""Hosts whose value is kept, so that it is looked up once."""

Value = TypeVar("Value")


class HostTable(Generic[Value]):
    """The values of patterns. Picklable.

    Args:
        values: by pattern, in lower case and in ASCII. None: the hosts of this pattern have no value, although those of a
            less specific pattern may have one.
    """

    def __init__(self, values: Mapping[str, Value | None]) -> None:
        self._values = dict(values)
        self._found: dict[str, Value | None] = {}

    def get(self, host: str) -> Value | None:
        """The value for a host ``name`` or ``name:port``, in lower case; None if there is none."""
        found = self._found
        if host in found:
            return found[host]
        pattern = most_specific(host, self._values)
        value = None if pattern is None else self._values[pattern]
        if len(found) >= _REMEMBERED_HOSTS:
            found.clear()
        found[host] = value
        return value


def most_specific(host: str, patterns: Iterable[str]) -> str | None:
    """The pattern that counts for a host ``name`` or ``name:port``, in lower case; None if none of them matches."""
    known = patterns if isinstance(patterns, Mapping) else set(patterns)
    name, _, port = host.partition("]:") if host.startswith("[") else host.partition(":")
    if host.startswith("["):
        name = name.removesuffix("]") + "]"
    ending = f":{port}" if port else ""
    names = [name]
    if not host.startswith("["):
        while "." in name:
            name = name.partition(".")[2]
            names.append(f"*.{name}")
    for candidate in names:
        for pattern in (candidate + ending, candidate):
            if pattern in known:
                return pattern
    return None
