"""Which credentials go with a request, and which stay behind at a redirect.

A URL's own user and password, a netrc entry for its host, cookies from a Netscape file, and the headers given on the
command line or in a list. Rule: what was meant for one origin (scheme, host, port) never goes to another.
"""

import re
from urllib.parse import unquote, urlsplit, urlunsplit

from msgspec import Struct

from downloader.core.facts import Headers
from downloader.core.names.urls import origin_of, public_url
from downloader.errors import AuthError, PolicyError

_CREDENTIAL = r"(?i)authori[sz]ation|cookie|token|secret|password|api-?key|auth-key"  # compiled at its first use
"""Header names that carry credentials, the unregistered ones included."""


class Cookie(Struct, frozen=True):
    """One line of a Netscape cookie file. ``expires``: seconds since the epoch, 0 for a session cookie."""

    domain: str
    subdomains: bool
    path: str
    secure: bool
    expires: float
    name: str
    value: str

    def __repr__(self) -> str:
        return f"Cookie(domain={self.domain!r}, path={self.path!r}, name={self.name!r})"  # its value is secret

    def matches(self, scheme: str, host: str, path: str, now: float) -> bool:
        """RFC 6265 section 5.4: domain, path, Secure and expiry."""
        domain = self.domain.lstrip(".").lower()
        if host != domain and not (self.subdomains and host.endswith(f".{domain}") and not _is_address(host)):
            return False
        prefix = self.path if self.path.endswith("/") else f"{self.path}/"
        if path != self.path and not path.startswith(prefix):
            return False
        return (scheme == "https" or not self.secure) and (self.expires == 0 or self.expires > now)


def _is_address(host: str) -> bool:
    import ipaddress  # here, as `base64` below: only credentials need it

    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


class Credentials(Struct, frozen=True):
    """Everything secret that a run was given, apart from its URLs. ``netrc``: host, user, password; host ``""`` is default.

    ``authorization``: the value of a header for the hosts of the list's own URLs, where neither the URL nor netrc names a user.
    ``problem``: why there is no such header although the user asked for one; requests that lack it are not sent.
    """

    netrc: tuple[tuple[str, str, str], ...] = ()
    cookies: tuple[Cookie, ...] = ()
    authorization: str = ""
    problem: str = ""

    def __repr__(self) -> str:
        more = ", an authorization" if self.authorization else ""
        return f"Credentials({len(self.netrc)} netrc entries, {len(self.cookies)} cookies{more})"

    def headers(self, url: str, epoch_now: float, first_url: str = "") -> Headers:
        """Authorization and Cookie for a URL. Raises PolicyError where credentials are missing that the user asked for.

        ``epoch_now``: seconds since the epoch; ``first_url``: where redirects began.
        """
        lines: list[tuple[str, str]] = []
        user = _user_of(url) if "@" in url else None
        if user is None and self.netrc:
            user = self._netrc_entry(url, first_url or url)
        if user is not None:
            lines.append(("Authorization", basic(*user)))
        elif (self.authorization or self.problem) and origin_of(url) == origin_of(first_url or url):
            if self.problem:
                raise PolicyError(self.problem, public_url(url), "`dl help settings` explains the sections of hosts")
            lines.append(("Authorization", self.authorization))
        if self.cookies:
            parts = urlsplit(url)
            host, path = parts.hostname or "", parts.path or "/"
            pairs = [f"{c.name}={c.value}" for c in self.cookies if c.matches(parts.scheme, host, path, epoch_now)]
            if pairs:
                lines.append(("Cookie", "; ".join(pairs)))
        return tuple(lines)

    def _netrc_entry(self, url: str, first_url: str) -> tuple[str, str] | None:
        """User and password for a URL.

        After a redirect to another origin, only an entry that names the new host counts, and only if the redirect has not led
        from https to http.
        """
        by_host = {name: (user, password) for name, user, password in self.netrc}
        (scheme, host, _), (old_scheme, old_host, _) = origin_of(url), origin_of(first_url)
        if origin_of(url) == origin_of(first_url):
            return by_host.get(host) or (None if self.authorization else by_host.get(""))
        safe = host != old_host and scheme in ("https", old_scheme)
        return by_host.get(host) if safe else None


NO_CREDENTIALS = Credentials()


def basic(user: str, password: str) -> str:
    """The value of Authorization for a user and password; RFC 7617."""
    import base64

    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


def _user_of(url: str) -> tuple[str, str] | None:
    userinfo, at, _ = urlsplit(url).netloc.rpartition("@")
    if not at:
        return None
    user, _, password = userinfo.partition(":")
    return unquote(user), unquote(password)


def without_userinfo(url: str) -> str:
    """The URL without user and password: they are sent in a header, if at all."""
    if "@" not in url:
        return url
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def kept_at_redirect(headers: Headers, old: str, new: str) -> Headers:
    """The headers that may be sent after a redirect: all of them within one origin, else none that carries credentials."""
    if origin_of(old) == origin_of(new):
        return headers
    return tuple((name, value) for name, value in headers if not re.search(_CREDENTIAL, name))


def refusal_hint(status: int, sent: Headers) -> str:
    """What the user can do about a 401, 403 or 407. ``sent``: the headers of the request."""
    private = {name.lower(): value for name, value in sent if re.search(_CREDENTIAL, name)}
    if status == 401 and "authorization" in private:
        basic = private["authorization"][:6].lower() == "basic "
        return "wrong user name or password" if basic else "the server does not accept the Authorization header that was sent"
    if status == 403 and private:
        return "the server refuses this request with the credentials that were sent"
    return AuthError.HINTS[status]
