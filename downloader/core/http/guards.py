"""What is refused by its size or type, and what looks like a web page under another name. Decides on heads of answers only."""

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase

from msgspec import Struct

from downloader.core.model import Attempt
from downloader.errors import IntegrityError, Unwanted, UsageError

PAGES = frozenset({"text/html", "application/xhtml+xml"})
_PATTERN = re.compile(r"[a-z0-9*?][a-z0-9*?!#$&^_.+-]*/[a-z0-9*?][a-z0-9*?!#$&^_.+-]*")
_NO_PAGES = frozenset(
    """7z aac apk arrow avif avi bam bin bmp br bz2 cab csv db deb djvu dmg doc docx epub exe fa fasta fastq feather fits flac
    flv geojson geotiff gguf gif gz h5 hdf5 heic ico img iso jar jpeg jpg json jsonl jxl lz4 lzma m4a m4v mat mid mkv mobi mov
    mp3 mp4 mpeg mpg msi nc ndjson npy npz odp ods odt ogg ogv onnx opus orc otf parquet pdf pickle pkl png pps ppt pptx ps psd
    pt pth rar rpm rtf safetensors sav shp sqlite sqlite3 svg tar tbz tfrecord tgz tif tiff tsv ttf txz vcf wav webm webp whl
    wma wmv woff woff2 xls xlsx xz z zip zst""".split()  # noqa: SIM905 - read as a list of words, one a line would fill a screen
)
"""Extensions of names that no web page has."""


class Guards(Struct, frozen=True):
    """Sizes in bytes, 0 for no limit; ``types``: patterns of media types, one of which the answer's must match."""

    max_size: int = 0
    min_size: int = 0
    types: tuple[str, ...] = ()

    def check_size(self, size: int, url: str) -> None:
        """Raises Unwanted for a file of another size."""
        if 0 < self.max_size < size:
            raise self.too_large(f"{size} bytes", url)
        if size < self.min_size:
            raise Unwanted(f"smaller than --min-size: {size} bytes", url, kind="smaller than --min-size")

    def too_large(self, what: str, url: str) -> Unwanted:
        """The error for a file that has more bytes than are allowed."""
        return Unwanted(f"larger than --max-size: {what}", url, kind="larger than --max-size")

    def check_type(self, media: str, url: str) -> None:
        """Raises Unwanted for an answer of another media type."""
        if self.types and not any(fnmatchcase(media, pattern) for pattern in self.types):
            sent = f"the server sent {media or 'no Content-Type'}, not {' or '.join(self.types)}"
            raise Unwanted(sent, url, "see --expect-type")


NO_GUARDS = Guards()


def judge(guards: Guards, attempt: Attempt, total: int | None, content_type: str | None, url: str) -> str:
    """Whether the file may be taken, by the head of its answer; a warning, if there is one to give.

    ``total``: its size, None where that is not told; ``content_type``: None where it says nothing of the file.
    Raises IntegrityError where the list says another size, Unwanted for what a guard refuses.
    """
    if total is not None:
        if attempt.size is not None and total != attempt.size:
            raise wrong_size(total, attempt.size, url)
        if guards is not NO_GUARDS:
            guards.check_size(total, url)
    if content_type is None:
        return ""
    if guards is not NO_GUARDS:
        guards.check_type(media_type(content_type), url)
    return page_instead(attempt.path, content_type)


def wrong_size(size: int, wanted: int, url: str) -> IntegrityError:
    """The error for a file that has another size than the list says."""
    return IntegrityError(f"the size is wrong: {size} bytes, not {wanted}", url, kind="the size is wrong")


def media_type(content_type: str) -> str:
    """The media type of a Content-Type field, without its parameters: RFC 9110 section 8.3.1."""
    return content_type.partition(";")[0].strip().lower()


def page_instead(path: str, content_type: str) -> str:
    """A warning where a web page comes under a name that no web page has; else empty."""
    if "html" not in content_type and "HTML" not in content_type:  # nearly every answer
        return ""
    media = media_type(content_type)
    return f"the server sent {media}" if media in PAGES and path.rpartition(".")[2].lower() in _NO_PAGES else ""


def parse_types(texts: Iterable[str]) -> tuple[str, ...]:
    """``image/*,application/pdf`` as patterns. Raises UsageError."""
    patterns = tuple(part.strip().lower() for text in texts for part in text.split(",") if part.strip())
    for pattern in patterns:
        if not _PATTERN.fullmatch(pattern):
            raise UsageError(f"--expect-type: not a media type: {pattern!r}", hint="as in image/png, or 'image/*'")
    return patterns
