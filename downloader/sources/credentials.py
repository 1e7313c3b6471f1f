"""Credentials from files: netrc, and cookies in Netscape's format. Messages never show what is secret in them."""

import netrc as netrc_format
from pathlib import Path

from downloader.core.credentials import Cookie, Credentials
from downloader.errors import UsageError

HTTP_ONLY = "#HttpOnly_"


def load(netrc: str, cookies: str) -> Credentials:
    """From these files; an empty path stands for none. Raises UsageError."""
    return Credentials(_netrc(netrc) if netrc else (), _cookies(cookies) if cookies else ())


def default_netrc() -> str:
    """``~/.netrc``."""
    return str(Path.home() / ".netrc")


def _netrc(path: str) -> tuple[tuple[str, str, str], ...]:
    try:
        hosts = netrc_format.netrc(path).hosts
    except OSError as error:
        raise UsageError(f"cannot read the netrc file {path}: {error.strerror}") from None
    except netrc_format.NetrcParseError as error:
        raise UsageError(f"the netrc file {path} is malformed in line {error.lineno}") from None
    return tuple(
        ("" if host == "default" else host.lower(), user or "", password or "") for host, (user, _, password) in hosts.items()
    )


def _cookies(path: str) -> tuple[Cookie, ...]:
    try:
        lines = Path(path).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise UsageError(f"cannot read the cookies {path}: {error.strerror}") from None
    found = []
    for number, line in enumerate(lines, 1):
        text = line.removeprefix(HTTP_ONLY)
        if not text.strip() or text.startswith("#"):
            continue
        parts = text.split("\t")
        try:
            domain, subdomains, folder, secure, expires, name, value = parts
            cookie = Cookie(domain, subdomains == "TRUE", folder, secure == "TRUE", float(expires or 0), name, value)
        except ValueError:
            raise UsageError("not a cookie: seven fields separated by TAB are expected", f"{path}:{number}") from None
        found.append(cookie)
    return tuple(found)
