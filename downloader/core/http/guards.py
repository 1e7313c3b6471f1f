"""Limits of size and type that the user has set, and web pages under other names. Only heads of answers are looked at."""

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import NamedTuple

from downloader.core.model import Attempt
from downloader.errors import IntegrityError, Unwanted, UsageError

WEB_PAGE_TYPES = frozenset({"text/html", "application/xhtml+xml"})
_PATTERN = r"[a-z0-9*?][a-z0-9*?!#$&^_.+-]*/[a-z0-9*?][a-z0-9*?!#$&^_.+-]*"  # compiled at its first use
_OTHER_EXTENSIONS = frozenset(
    """7z aac apk arrow avif avi bam bin bmp br bz2 cab csv db deb djvu dmg doc docx epub exe fa fasta fastq feather fits flac
    flv geojson geotiff gguf gif gz h5 hdf5 heic ico img iso jar jpeg jpg json jsonl jxl lz4 lzma m4a m4v mat mid mkv mobi mov
    mp3 mp4 mpeg mpg msi nc ndjson npy npz odp ods odt ogg ogv onnx opus orc otf parquet pdf pickle pkl png pps ppt pptx ps psd
    pt pth rar rpm rtf safetensors sav shp sqlite sqlite3 svg tar tbz tfrecord tgz tif tiff tsv ttf txz vcf wav webm webp whl
    wma wmv woff woff2 xls xlsx xz z zip zst""".split()  # noqa: SIM905 - read as a list of words, one a line would fill a screen
)
"""Extensions that no web page has."""


class Guards(NamedTuple):
    """Limits of size in bytes, 0 for none. ``types``: patterns; the media type of an answer must match one of them."""

    max_size: int = 0
    min_size: int = 0
    types: tuple[str, ...] = ()

    def check_size(self, size: int, url: str) -> None:
        """Raises Unwanted for a file that is larger or smaller than allowed."""
        if 0 < self.max_size < size:
            raise self.too_large(f"{size} bytes", url)
        if size < self.min_size:
            raise Unwanted(f"smaller than --min-size: {size} bytes", url, kind="smaller than --min-size")

    def too_large(self, what: str, url: str) -> Unwanted:
        """The error for a file that is larger than allowed."""
        return Unwanted(f"larger than --max-size: {what}", url, kind="larger than --max-size")

    def check_type(self, media: str, url: str) -> None:
        """Raises Unwanted for an answer of another media type."""
        if self.types and not any(fnmatchcase(media, pattern) for pattern in self.types):
            sent = f"the server sent {media or 'no Content-Type'}, not {' or '.join(self.types)}"
            raise Unwanted(sent, url, "see --expect-type")


NO_GUARDS = Guards()


def check_head(guards: Guards, attempt: Attempt, total: int | None, content_type: str | None, url: str) -> str:
    """Check the head of an answer whose body would be written to the file. Returns a warning, or an empty text.

    ``total``: the size of the file, None if unknown; ``content_type``: None if the answer does not describe the file.
    Raises IntegrityError if the list gives another size, Unwanted for a file that a guard refuses.
    """
    if attempt.keep_body:
        return ""  # this is not a file of the list
    if total is not None:
        if attempt.size is not None and total != attempt.size:
            raise wrong_size(total, attempt.size, url)
        if guards is not NO_GUARDS:
            guards.check_size(total, url)
    if content_type is None:
        return ""
    if guards is not NO_GUARDS:
        guards.check_type(media_type(content_type), url)
    return web_page_warning(attempt.path, content_type)


def wrong_size(size: int, wanted: int, url: str) -> IntegrityError:
    """The error for a file whose size is not the one that the list gives."""
    return IntegrityError(f"the size is wrong: {size} bytes, not {wanted}", url, kind="the size is wrong")


def media_type(content_type: str) -> str:
    """The media type of a Content-Type field, without its parameters: RFC 9110 section 8.3.1."""
    return content_type.partition(";")[0].strip().lower()


def web_page_warning(path: str, content_type: str) -> str:
    """A warning if a web page comes under a name that no web page has; else empty."""
    if "html" not in content_type and "HTML" not in content_type:  # nearly every answer
        return ""
    media = media_type(content_type)
    return (
        f"the server sent {media}" if media in WEB_PAGE_TYPES and path.rpartition(".")[2].lower() in _OTHER_EXTENSIONS else ""
    )


def parse_types(texts: Iterable[str]) -> tuple[str, ...]:
    """``image/*,application/pdf`` as patterns. Raises UsageError."""
    patterns = tuple(part.strip().lower() for text in texts for part in text.split(",") if part.strip())
    for pattern in patterns:
        if not re.fullmatch(_PATTERN, pattern):
            raise UsageError(f"--expect-type: not a media type: {pattern!r}", hint="as in image/png, or 'image/*'")
    return patterns
