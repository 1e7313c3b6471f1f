"""Templates of file names: the setting ``name``, such as ``{host}/{path}/{stem}{ext}``.

A template is parsed once, before anything starts; then it makes one path for each Download. The value of each field is made
safe on its own, so that no value can leave its place: ``../../etc/passwd`` in a column of a table is a part of one name. Only
``{path}`` may contain folders.
"""

import re
from collections.abc import Callable, Iterable
from urllib.parse import parse_qsl, unquote, urlsplit

from downloader.core.model import Download
from downloader.core.names.field_syntax import BracedField, split_fields, unknown_field
from downloader.core.names.file_names import DEFAULT_NAME, name_from_url, safe_component, server_base_name, split_extension
from downloader.core.names.urls import origin_of, public_url
from downloader.errors import PolicyError, UsageError

OPTION = "--name"
COLUMN = "col."
PARAMETER = "query."
_MAX_COLUMNS_SHOWN = 12
_NUMBER_FORMAT = r"0?[0-9]{0,2}d?"  # compiled at its first use
_TEXT_FORMAT = r"(?:\.[1-9][0-9]{0,2})?"


class _Entry:
    """One Download, as the fields see it."""

    __slots__ = ("download", "index", "name", "public")

    def __init__(self, download: Download, index: int, server_name: str) -> None:
        self.download = download
        self.index = index
        self.public = public_url(download.url, in_name=True)  # without passwords and tokens, which no file name may contain
        path = urlsplit(download.url).path
        from_server = server_base_name(server_name)
        if from_server:
            self.name = from_server
        else:
            self.name = name_from_url(download.url) if unquote(path.rpartition("/")[2]).strip(". ") else DEFAULT_NAME

    def value_of(self, name: str) -> str:
        """The value of a field, which is not safe yet. Raises PolicyError for a column in which the row has none."""
        if name.startswith(COLUMN):
            return self._column(name.removeprefix(COLUMN))
        if name.startswith(PARAMETER):
            return dict(parse_qsl(urlsplit(self.public).query)).get(name.removeprefix(PARAMETER), "")
        return _VALUES[name](self)

    def _column(self, column: str) -> str:
        for name, value in self.download.metadata:
            if name == column:
                return value
        what = "the row has no value in a column of --name"
        raise PolicyError(f"{what}: {column!r}", kind=what)

    @property
    def folders(self) -> str:
        """The folders of the URL's path, each of them safe."""
        folders = urlsplit(self.download.url).path.split("/")[:-1]
        return "/".join([safe_component(unquote(folder, errors="replace")) for folder in folders if folder])

    @property
    def host(self) -> str:
        """The host without its port; an IPv6 address with ``_`` for each colon, as ``--keep-paths`` writes it."""
        return origin_of(self.download.url)[1].replace(":", "_")

    @property
    def digest(self) -> str:
        """The SHA-256 of the URL, in hexadecimal."""
        import hashlib  # here: few templates need it

        return hashlib.sha256(self.download.url.encode()).hexdigest()


_VALUES: dict[str, Callable[[_Entry], str]] = {
    "host": lambda entry: entry.host,
    "port": lambda entry: str(origin_of(entry.download.url)[2]),
    "scheme": lambda entry: origin_of(entry.download.url)[0],
    "path": lambda entry: entry.folders,
    "name": lambda entry: entry.name,
    "stem": lambda entry: split_extension(entry.name)[0],
    "ext": lambda entry: split_extension(entry.name)[1],
    "query": lambda entry: unquote(urlsplit(entry.public).query, errors="replace"),
    "sha256": lambda entry: entry.digest,
}
"""Makes the value of each field, but for the index, columns and parameters."""

FIELDS = (*_VALUES, "index", f"{PARAMETER}NAME", f"{COLUMN}NAME")
"""All fields, as messages show them."""


def _text(field: BracedField, entry: _Entry) -> str:
    """The value of a field, safe as a part of a name; empty if there is none."""
    if field.name == "index":
        return format(entry.index, field.form)
    value = entry.value_of(field.name)
    if field.name != "path":
        value = safe_component(value) if value.strip() else ""
    return format(value, field.form)


class Template:
    """A parsed template.

    ``columns``: the columns that it needs. ``uses_index``: it contains ``{index}``. ``uses_name``: it contains a field that
    the server's name for the file changes.

    Raises UsageError for a template that is malformed, names an unknown field, or leaves the folder.
    """

    def __init__(self, text: str) -> None:
        pieces = split_fields(text, OPTION)
        self._pieces = [piece if isinstance(piece, str) else _checked(piece) for piece in pieces]
        fields = [piece for piece in pieces if not isinstance(piece, str)]
        names = [field.name for field in fields]
        _check_literals("".join(piece if isinstance(piece, str) else "{}" for piece in self._pieces))
        if not fields:
            raise _error(f"the template {text!r} has no field: all files would get one name", "as in '{index:04d}{ext}'")
        self.columns = tuple(dict.fromkeys(name.removeprefix(COLUMN) for name in names if name.startswith(COLUMN)))
        self.uses_index = "index" in names
        self.uses_name = not {"name", "stem", "ext"}.isdisjoint(names)

    def path_of(self, download: Download, index: int, server_name: str = "") -> str:
        """The path of a Download: safe, relative, never empty.

        Args:
            download: as it was listed; its ``out`` and ``dir`` are not looked at.
            index: its position in the list, from 1.
            server_name: the name that the server proposed; empty: the URL gives it.

        Raises:
            UsageError: the row of the Download has no such column.
        """
        entry = _Entry(download, index, server_name)
        text, is_missing = "", False
        for piece in self._pieces:
            part = piece if isinstance(piece, str) else _text(piece, entry)
            if is_missing and part.startswith("."):
                text += "_"  # without the value in front of the dot, the file would be hidden
            text += part
            is_missing = not part and (not text or text.endswith("/"))
        *folders, name = text.split("/")
        safe = [safe_component(folder) for folder in folders if folder.strip(". ")]
        return "/".join([*safe, safe_component(name)])

    def check_columns(self, downloads: Iterable[Download | None]) -> None:
        """Raise UsageError if no row of the list has a column of the template. Reads only until each column was found."""
        missing, known, rows = set(self.columns), dict[str, None](), 0
        for download in downloads if missing else ():
            if download is None or download.out:
                continue
            rows += 1
            names = [name for name, _ in download.metadata]
            missing.difference_update(names)
            if not missing:
                return
            if len(known) < _MAX_COLUMNS_SHOWN:
                known.update(dict.fromkeys(names))
        if rows and missing:
            columns = ", ".join(list(known)[:_MAX_COLUMNS_SHOWN])
            hint = f"the columns are {columns}" if columns else "tables have columns: CSV, TSV, JSON Lines, Parquet"
            what = ", ".join(repr(column) for column in self.columns if column in missing)
            raise _error(f"the list has no column {what}", hint)


def _checked(field: BracedField) -> BracedField:
    """The field, if it exists and has a known format. Raises UsageError."""
    name, form, conversion = field
    prefix = next((prefix for prefix in (COLUMN, PARAMETER) if name.startswith(prefix)), "")
    if name not in ("index", *_VALUES) and not (prefix and name != prefix):
        raise unknown_field(name, FIELDS, OPTION)
    if conversion:
        raise _error(f"the field {{{name}!{conversion}}} has a conversion, which file names do not have", f"write {{{name}}}")
    is_number = name == "index"
    if re.fullmatch(_NUMBER_FORMAT if is_number else _TEXT_FORMAT, form) is None:
        example = "{index:06d} has six digits" if is_number else f"{{{name}:.8}} is the first 8 characters"
        raise _error(f"the field {{{name}:{form}}} has an unknown format", example)
    return field


def _check_literals(text: str) -> None:
    """Raises UsageError for a path that is absolute, leaves the folder, or has no name. ``text``: ``{}`` for each field."""
    if "\\" in text:
        raise _error("a backslash in the template", "write / between folders")
    if text.startswith(("/", "~")):
        raise _error("the template is absolute", "paths are relative to --dir")
    if text.endswith("/"):
        raise _error("the template ends with the name of a folder", "as in '{host}/{name}'")
    if any(part.strip() in (".", "..") for part in text.split("/")):
        raise _error("the template contains '.' or '..'", "paths do not leave --dir")


def _error(what: str, hint: str = "") -> UsageError:
    return UsageError(f"{OPTION}: {what}", hint=hint)
