"""Reads credentials from files (netrc, cookies in Netscape's format) and from the environment.

Messages never contain a secret.
"""

import netrc as netrc_format
import os
from pathlib import Path

from downloader.core.http.credentials import Cookie, Credentials, basic
from downloader.errors import UsageError
from downloader.settings.definitions import PASSWORD_VARIABLE

HTTP_ONLY_PREFIX = "#HttpOnly_"


def load(netrc: str, cookies: str, user: str = "", bearer_env: str = "") -> Credentials:
    """The credentials of a run. Raises UsageError.

    ``netrc``, ``cookies``: paths of files. ``user``: ``name:password``, or a name. ``bearer_env``: the name of an environment
    variable with a token. An empty text means none.
    """
    if user and bearer_env:
        raise UsageError("a user and a bearer token cannot be combined", hint="give one of --user and --bearer-env")
    authorization = _basic(user) if user else _bearer(bearer_env) if bearer_env else ""
    return Credentials(_netrc(netrc) if netrc else (), _cookies(cookies) if cookies else (), authorization)


def authorization(user: str, password_env: str, bearer_env: str) -> str:
    """The Authorization header for a user whose password is in an environment variable, or for a token. Raises UsageError."""
    if bearer_env:
        return _bearer(bearer_env)
    password = os.environ.get(password_env)
    if password is None:
        raise UsageError(f"the environment variable {password_env} is not set", hint=f"export {password_env}=PASSWORD")
    return basic(user, password)


def _basic(user: str) -> str:
    """The Authorization header for ``name:password``, or for a name whose password is in the environment."""
    name, colon, password = user.partition(":")
    if not colon:
        from_environment = os.environ.get(PASSWORD_VARIABLE)
        if from_environment is None:
            raise UsageError(
                f"there is no password for the user {name}", hint=f"set the environment variable {PASSWORD_VARIABLE}"
            )
        password = from_environment
    return basic(name, password)


def _bearer(variable: str) -> str:
    """The Authorization header for the token in this environment variable; RFC 6750 section 2.1."""
    token = os.environ.get(variable, "").strip()
    if not token:
        raise UsageError(f"the environment variable {variable} contains no token", hint=f"export {variable}=TOKEN")
    if not token.isascii() or not token.isprintable() or " " in token:
        raise UsageError(f"the environment variable {variable} contains a text that is not a token")
    return f"Bearer {token}"


def default_netrc() -> str:
    """The path of ``~/.netrc``."""
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
    parsed = []
    for number, line in enumerate(lines, 1):
        text = line.removeprefix(HTTP_ONLY_PREFIX)
        if not text.strip() or text.startswith("#"):
            continue
        parts = text.split("\t")
        try:
            domain, subdomains, folder, secure, expires, name, value = parts
            cookie = Cookie(domain, subdomains == "TRUE", folder, secure == "TRUE", float(expires or 0), name, value)
        except ValueError:
            raise UsageError("not a cookie: seven fields separated by TAB are expected", f"{path}:{number}") from None
        parsed.append(cookie)
    return tuple(parsed)
