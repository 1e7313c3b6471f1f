"""The file name that a server proposes with Content-Disposition (RFC 6266).

The rules, where the RFC leaves them open or servers do not obey it:

- ``filename*`` (RFC 8187) takes precedence over ``filename``, whatever their order. Of several parameters with one name, the
  first that has a value counts.
- A ``filename*`` with an unknown charset, a wrong percent-encoding, or bytes that are not of its charset is ignored.
- Continuations (``filename*0``, RFC 2231) are ignored: RFC 8187 does not have them.
- In ``filename``, raw UTF-8 and encoded words (RFC 2047) are decoded, although the RFC allows neither. Percent signs are kept.
- The disposition type does not matter: ``inline`` and unknown types propose a name, too, and it may be missing.
- A value may contain spaces without quotes, and its closing quote may be missing.
"""

import re
from collections.abc import Iterator
from urllib.parse import unquote_to_bytes

_NAME = r"[\w!#$%&'*+.^`|~-]+"  # compiled at its first use, as all patterns here
_QUOTED = r'"(?:[^"\\]|\\.)*"'
_PARAMETER = rf"(?a);[ \t]*({_NAME})[ \t]*=[ \t]*({_QUOTED}|[^;]*)"
_NO_TYPE = rf"(?a)[ \t]*{_NAME}[ \t]*="
_ENCODED_WORD = r"=\?[!-<>@-~]+\?[BbQq]\?[!->@-~ ]*\?="
_WRONG_PERCENT = r"%(?![0-9A-Fa-f]{2})"
_CHARSETS = {"utf-8": "utf-8", "utf8": "utf-8", "iso-8859-1": "iso-8859-1"}
"""RFC 8187 section 3.2.1 requires UTF-8; RFC 5987, which it replaced, also ISO-8859-1."""


def disposition_name(value: str) -> str:
    """The file name that a field value proposes; empty if it proposes none.

    The name is not safe yet: it may contain folders, control characters, or anything else.

    Args:
        value: as the transport decoded it (latin-1).
    """
    plain = extended = ""
    for name, text in _parameters(value):
        if name == "filename*":
            extended = extended or _extended(text)
        elif name == "filename":
            plain = plain or _decoded(text)
    return extended or plain


def _parameters(value: str) -> Iterator[tuple[str, str]]:
    """The parameters: their names in lower case, and their values without quotes."""
    parameters = f";{value}" if re.match(_NO_TYPE, value) else ";" + value.partition(";")[2]
    for name, raw in re.findall(_PARAMETER, parameters):
        text = raw.strip(" \t")
        if text.startswith('"'):
            is_closed = re.fullmatch(_QUOTED, text) is not None
            text = re.sub(r"\\(.)", r"\1", text[1:-1] if is_closed else text[1:])
        yield name.lower(), text


def _extended(text: str) -> str:
    """The value of ``filename*`` (RFC 8187 section 3.2): ``charset'language'percent-encoded``. Empty if it is malformed."""
    charset, first, rest = text.partition("'")
    _, second, encoded = rest.partition("'")
    known = _CHARSETS.get(charset.strip().lower())
    if known is None or not (first and second) or re.search(_WRONG_PERCENT, encoded):
        return ""
    try:
        return unquote_to_bytes(_octets(encoded)).decode(known)
    except UnicodeDecodeError:
        return ""


def _decoded(text: str) -> str:
    """The value of ``filename``, with encoded words and raw UTF-8 decoded."""
    if re.search(_ENCODED_WORD, text):
        from email.errors import HeaderParseError  # here: few servers need it
        from email.header import decode_header, make_header

        try:
            return str(make_header(decode_header(text)))
        except (HeaderParseError, LookupError, ValueError):
            return text
    try:
        return text.encode("latin-1").decode("utf-8")
    except (UnicodeEncodeError, UnicodeDecodeError):
        return text


def _octets(text: str) -> bytes:
    """The bytes of a text that was decoded as latin-1; of any other text, its UTF-8."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")
