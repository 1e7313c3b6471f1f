"""``--links`` for a list of pages: each URL of the list is that of a web page, and the files are what the pages link to."""

from collections.abc import Iterable, Iterator

from msgspec.structs import replace

from downloader.core.model import Download
from downloader.core.names.urls import public_url
from downloader.errors import DownloadError, UsageError
from downloader.sources import html_index
from downloader.sources.formats import ListOptions, OnBadLine
from downloader.sources.streams import fetched_list


def files_of_pages(pages: Iterable[Download], options: ListOptions, on_bad_line: OnBadLine) -> Iterator[Download]:
    """The Downloads that the pages of a list link to, lazily: a page is fetched when its turn has come.

    They have the folder, the priority and the metadata of their page. To ``on_bad_line`` go pages that cannot be fetched, and
    entries that say more of a page. Raises UsageError where a page is malformed: see `html_index.read`.
    """
    for page in pages:
        name = public_url(page.url)
        if page.out or page.mirrors or page.checksums or page.headers or page.size is not None:
            reason = "the list says more of this URL than a page can have"
            on_bad_line(UsageError(reason, page.origin or name, "with --links, a URL is that of a page: only dir= may be set"))
            continue
        try:
            if options.open_url is None:
                raise UsageError("pages cannot be fetched here", name)
            opened = fetched_list(options.open_url(page.url), name, "html")
        except DownloadError as error:
            reason = f"a page cannot be read: {error.reason}: {name}"
            on_bad_line(UsageError(reason, page.origin, error.hint))
            continue
        with opened.stream:
            for file in html_index.read(opened.stream, name, replace(options, base_url=opened.url), on_bad_line):
                yield replace(file, dir=page.dir, priority=page.priority, metadata=page.metadata)
