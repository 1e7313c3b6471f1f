"""``-o NAME``: names the file of a single URL."""

from msgspec.structs import replace

from downloader.core.names.file_names import wished_path
from downloader.errors import PolicyError, UsageError
from downloader.sources.formats import STDIN
from downloader.sources.lists import ListReader


def set_output_name(lists: ListReader, total: int | None, name: str) -> None:
    """Replace the only Download of the lists with one whose path is ``name``, relative to the folder of the run.

    ``total``: the number of Downloads; None where it is unknown. Raises UsageError if there is not exactly one, or if
    ``name`` is not a relative path of a file.
    """
    if name == STDIN:
        raise UsageError("-o - is refused: output to a pipe can be neither resumed nor verified", hint="give a name")
    if total != 1:
        many = "the number of URLs in the list is unknown" if total is None else f"there are {total} URLs"
        raise UsageError(f"-o names the file of a single URL, and {many}", hint="out=NAME below a URL in a list names its file")
    if name.endswith(("/", "\\")):
        raise UsageError(f"-o needs the name of a file: {name!r} names a folder", hint="-d sets the folder")
    try:
        path = wished_path("", name)
    except PolicyError as error:
        raise UsageError(f"-o: {error.reason}", hint="-o is relative to -d, which sets the folder") from None
    if not path:
        raise UsageError("-o needs the name of a file")
    (download,) = lists.source()
    assert download is not None  # noqa: S101 - None stands for a pause in a stream, whose total is unknown
    lists.items = [replace(download, out=path, dir="")]
