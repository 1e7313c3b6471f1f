"""The rules of a server's /robots.txt (RFC 9309), and Crawl-delay, which many servers send though no RFC defines it."""

import re
from dataclasses import dataclass
from urllib.parse import quote

MAX_BYTES = 500 * 1024
"""Bytes of a robots.txt that are read: the least that RFC 9309 section 2.5 allows."""

_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")
_TOKEN = re.compile(r"[A-Za-z_-]+")
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of one server. ``lines``: patterns, and whether each allows or forbids; ``delay``: seconds between requests."""

    lines: tuple[tuple[str, bool], ...] = ()
    delay: float = 0.0

    def allows(self, url: str) -> bool:
        """Whether this URL of the server may be requested: the longest pattern that matches decides, and allows in a tie."""
        path = _normal("/" + url.partition("://")[2].partition("/")[2].partition("#")[0])
        path = path.replace("*", "%2A").replace("$", "%24")
        matches = [(len(pattern), allowed) for pattern, allowed in self.lines if _matches(pattern, path)]
        return path == "/robots.txt" or max(matches, default=(0, True))[1]


def product(agent: str) -> str:
    """The product token of a User-Agent, by which groups are named: RFC 9309 section 2.2.1. In small letters."""
    match = _TOKEN.match(agent)
    return match.group().lower() if match else ""


def parse(data: bytes, agent: str) -> Rules:
    """The rules of all groups for this product token, else of those for ``*``, else none. Never raises."""
    groups: dict[str, tuple[list[tuple[str, bool]], list[float]]] = {}
    names: list[str] = []
    begun = False
    for line in data[:MAX_BYTES].decode("utf-8-sig", "replace").replace("\r", "\n").split("\n"):
        key, colon, value = line.partition("#")[0].partition(":")
        key, value = key.strip().lower(), value.strip()
        if key == "user-agent" and colon:
            names = [] if begun else names
            names.append("*" if value == "*" else product(value))
            groups.setdefault(names[-1], ([], []))
            begun = False
        elif key in ("allow", "disallow", "crawl-delay"):
            begun = True
            for name in names:
                _add(groups[name], key, value)
    rules, delays = groups.get(agent.lower()) or groups.get("*") or ([], [])
    return Rules(tuple(rules), max(delays, default=0.0))


def _add(group: tuple[list[tuple[str, bool]], list[float]], key: str, value: str) -> None:
    if key == "crawl-delay":
        if re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,6})?", value):
            group[1].append(float(value))
    elif value:
        head, end = (value[:-1], "$") if value.endswith("$") else (value, "")
        group[0].append((_normal(head).replace("$", "%24") + end, key == "allow"))


def _normal(text: str) -> str:
    """Percent-encode what is not ASCII, and decode what is not reserved: RFC 9309 section 2.2.2."""
    return _ESCAPE.sub(_decoded, quote(text.encode("utf-8", "replace"), safe="%!#$&'()*+,/:;=?@[]~"))


def _decoded(match: re.Match[str]) -> str:
    char = chr(int(match[1], 16))
    return char if char in _UNRESERVED else match[0].upper()


def _matches(pattern: str, path: str) -> bool:
    """Whether a path matches a pattern with ``*`` (any characters) and a final ``$`` (the end of the path). In linear time."""
    anchored = pattern.endswith("$")
    first, *others = pattern.removesuffix("$").split("*")
    if not path.startswith(first):
        return False
    at = len(first)
    if not others:
        return not anchored or at == len(path)
    *between, last = others
    for piece in between:
        at = path.find(piece, at)
        if at < 0:
            return False
        at += len(piece)
    return len(path) - len(last) >= at and path.endswith(last) if anchored else path.find(last, at) >= 0
