"""``-o NAME``: the name of the one file that is to be fetched."""

from msgspec.structs import replace

from downloader.core.names.file_names import wished_path
from downloader.errors import PolicyError, UsageError
from downloader.sources.lists import STDIN, ListReader


def name_only(lists: ListReader, total: int | None, name: str) -> None:
    """Name the one Download that the lists hold ``name``, a path below the folder of the run.

    ``total``: how many Downloads there are; None where that is not known. Raises UsageError.
    """
    if name == STDIN:
        raise UsageError("-o - is refused: what is written to a pipe can neither be resumed nor verified", hint="give a name")
    if total != 1:
        many = "nobody knows how many URLs the list will have" if total is None else f"there are {total} URLs"
        raise UsageError(f"-o names the file of a single URL, and {many}", hint="out=NAME below a URL in a list names its file")
    if name.endswith(("/", "\\")):
        raise UsageError(f"-o needs the name of a file: {name!r} names a folder", hint="-d sets the folder")
    try:
        path = wished_path("", name)
    except PolicyError as error:
        raise UsageError(f"-o: {error.reason}", hint="-o is relative to -d, which sets the folder") from None
    if not path:
        raise UsageError("-o needs a name")
    (download,) = lists.source()
    assert download is not None  # noqa: S101 - only what is read as it comes has gaps, and has no total
    lists.items = [replace(download, out=path, dir="")]
