"""Credentials from files (netrc, cookies in Netscape's format) and from the environment.

Messages never show what is secret in them.
"""

import netrc as netrc_format
import os
from pathlib import Path

from downloader.core.http.credentials import Cookie, Credentials, basic
from downloader.errors import UsageError
from downloader.settings.definitions import PASSWORD

HTTP_ONLY = "#HttpOnly_"


def load(netrc: str, cookies: str, user: str = "", bearer_env: str = "") -> Credentials:
    """From these files, for this user, and from this environment variable; an empty text stands for none. Raises UsageError."""
    if user and bearer_env:
        raise UsageError("a user and a bearer token cannot be combined", hint="give one of --user and --bearer-env")
    authorization = _basic(user) if user else _bearer(bearer_env) if bearer_env else ""
    return Credentials(_netrc(netrc) if netrc else (), _cookies(cookies) if cookies else (), authorization)


def _basic(user: str) -> str:
    """For ``name:password``, or a name whose password is in the environment."""
    name, colon, password = user.partition(":")
    if not colon:
        found = os.environ.get(PASSWORD)
        if found is None:
            raise UsageError(f"there is no password for the user {name}", hint=f"set the environment variable {PASSWORD}")
        password = found
    return basic(name, password)


def _bearer(variable: str) -> str:
    """RFC 6750 section 2.1."""
    token = os.environ.get(variable, "").strip()
    if not token:
        raise UsageError(f"the environment variable {variable} holds no token", hint=f"export {variable}=TOKEN")
    if not token.isascii() or not token.isprintable() or " " in token:
        raise UsageError(f"the environment variable {variable} holds no valid token")
    return f"Bearer {token}"


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
