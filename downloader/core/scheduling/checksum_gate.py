"""Looks for the checksum of each file beside it, on the same server (``--find-checksums``). Downloads wait here meanwhile.

A server may have a file of checksums for a whole folder, such as SHA256SUMS, or one beside each file, such as ``x.iso.sha256``.
`KINDS` gives the order in which they are asked for: a stronger algorithm first, and of equally strong ones that of the folder,
which costs one request for all of its files. These rules keep the requests few:

- The file of a folder is requested once. Its answer holds for all files of the folder.
- A kind beside each file is requested for `MAX_MISSES` files of a folder at first. If none of them has it, the kind is not
  requested for any other file of that folder. Meanwhile the other files wait.
- A kind is requested in the same way `MAX_MISSES_OF_SITE` times at one server at first. If no request finds it, the kind is not
  requested there any more.
- Only a failed connection, 429 and 503 are tried again, once and soon. A server that fails then, too, is not asked for another
  checksum. Every other error means that there is no such checksum.

A web page instead of a checksum counts as none, and so does a text without a line for the file.
"""

from enum import Enum
from urllib.parse import unquote

from msgspec import Struct, field

from downloader.core.facts import Checksum
from downloader.core.model import Download, End, Outcome
from downloader.core.names.checksum_lines import find_in_answer
from downloader.core.names.checksum_list import ChecksumList
from downloader.core.scheduling.download_state import DownloadState
from downloader.core.scheduling.gate import body_of, request_of_gate
from downloader.errors import DownloadError, HTTPStatusError, NetworkError, NoAnswer, PolicyError

KINDS = ("SHA256SUMS", "*.sha256", "SHA512SUMS", "*.sha512", "sha256sum.txt", "MD5SUMS", "*.md5")
"""What is asked for, in this order. ``*`` stands for the name of the file; the other files are of a folder."""

MAX_MISSES = 3
"""Files of a folder that are asked for one kind beside them before the kind counts as missing there."""

MAX_MISSES_OF_SITE = 10
"""Requests for one kind at one server before the kind counts as missing there."""

MAX_RETRY_AFTER = 5.0
"""Seconds that a server may ask to wait before the second try."""

MAX_BYTES = 64 * 1024
"""Bytes that are read of a checksum of one file."""

MAX_FOLDER_BYTES = 8 << 20
"""Bytes that are read of a file of checksums of a folder: some 80,000 lines."""

MAX_FOLDERS = 10_000
"""Folders that are remembered. What is forgotten is asked for again."""

_FIRST_KEY = -(1 << 41)
"""The keys of the requests count up from here: no Download, no Segment and no other gate has such a key."""

_PATH = "checksums.part"
"""The path of the requests. No Download has a path that ends in ``.part``, and nothing is written to it."""

_OWN_ENDINGS = (".sha256", ".sha512", ".sha1", ".md5", ".asc", ".sig", "sums", "sums.gpg", "sums.sign", "sha256sum.txt")
"""Files with such names are checksums or signatures themselves: nothing is looked for beside them."""


_NO_LINES = ChecksumList({})


class _FolderSearch(Struct):
    """One folder of a server.

    ``lists``: the answers for the files of the folder, by kind; None: not answered yet. ``hits``: kinds that were found;
    ``misses``: how often each was not; ``asked``: requests that were not answered yet. ``parked``: Downloads that wait.
    """

    lists: dict[str, ChecksumList | None] = field(default_factory=dict)
    hits: set[str] = field(default_factory=set)
    misses: dict[str, int] = field(default_factory=dict)
    asked: dict[str, int] = field(default_factory=dict)
    parked: list[DownloadState] = field(default_factory=list)

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits for an answer."""
        return not self.parked and not any(self.asked.values())


class _SiteSearch(Struct):
    """One server. The fields are those of `_FolderSearch`, for all kinds. ``is_silent``: it is not asked any more."""

    is_silent: bool = False
    hits: set[str] = field(default_factory=set)
    misses: dict[str, int] = field(default_factory=dict)
    asked: dict[str, int] = field(default_factory=dict)
    parked: list[DownloadState] = field(default_factory=list)


class _Advice(Enum):
    """What to do about one kind."""

    ASK = "ask for it"
    WAIT = "wait for the answers to earlier requests"
    SKIP = "it is missing"


def _advice(place: "_FolderSearch | _SiteSearch", kind: str, max_misses: int) -> _Advice:
    """What earlier requests for this kind, at this place, lead to."""
    misses = place.misses.get(kind, 0)
    if kind in place.hits:
        return _Advice.ASK
    if misses >= max_misses:
        return _Advice.SKIP
    return _Advice.ASK if misses + place.asked.get(kind, 0) < max_misses else _Advice.WAIT


def _count_request(place: "_FolderSearch | _SiteSearch", kind: str) -> None:
    place.asked[kind] = place.asked.get(kind, 0) + 1


def _count_answer(place: "_FolderSearch | _SiteSearch", kind: str, is_found: bool) -> None:
    place.asked[kind] -= 1
    if is_found:
        place.hits.add(kind)
    else:
        place.misses[kind] = place.misses.get(kind, 0) + 1


class _Asked(Struct):
    """One request: where it was made, for which kind, and for which Download."""

    site: str
    folder: str
    kind: str
    entry: DownloadState


class ChecksumGate:
    """The checksums that the servers of a run have beside the files.

    ``parked``: number of Downloads that wait for an answer.

    Args:
        checksums: counts the files without a checksum, and refuses them where each file needs one.
    """

    def __init__(self, checksums: ChecksumList) -> None:
        self._checksums = checksums
        self._sites: dict[str, _SiteSearch] = {}
        self._folders: dict[str, _FolderSearch] = {}
        self._asked: dict[int, _Asked] = {}
        self._next_key = _FIRST_KEY
        self._is_dry_run = False
        self.parked = 0

    def asked_for(self, entry: DownloadState) -> bool:
        """Whether this is a request for a checksum."""
        return entry.key in self._asked

    def gives_up(self, entry: DownloadState, error: DownloadError) -> bool:
        """A file is not kept waiting for long: only a failed connection, 429 and 503 are tried again, once and soon."""
        if entry.tries_counted > 1 or isinstance(error, NoAnswer) or not _is_of_server(error):
            return True
        return (getattr(error, "retry_after", None) or 0.0) > MAX_RETRY_AFTER

    def admit(self, entry: DownloadState) -> DownloadState | DownloadError | None:
        """Decide about a Download that could start; see `downloader.core.scheduling.gate.Gate.admit`."""
        done = entry.search_step < 0 or self._is_dry_run or bool(entry.keep_body)
        if done or not entry.is_named or entry.checksums or entry.download.pieces is not None:
            return entry
        site, folder, name = _place_of(entry.url)
        if name and not name.lower().endswith(_OWN_ENDINGS) and not self._site(site).is_silent:
            while entry.search_step < len(KINDS):
                kind = KINDS[entry.search_step]
                if kind.startswith("*"):
                    decision = self._beside(entry, site, folder, name, kind)
                else:
                    decision = self._in_folder(entry, site, folder, name, kind)
                if decision is not entry:
                    return decision
                if entry.checksums:
                    break
                entry.search_step += 1
        entry.search_step = -1
        if not entry.checksums:
            self._checksums.ambiguous += self._is_ambiguous(folder, name)
            try:
                self._checksums.count_missing()
            except PolicyError as error:
                return error
        return entry

    def _is_ambiguous(self, folder: str, name: str) -> bool:
        """Whether a file of checksums of the folder has lines of this name that contradict each other."""
        known = self._folders.get(folder)
        return known is not None and any(lines is not None and lines.is_ambiguous(name) for lines in known.lists.values())

    def _in_folder(self, entry: DownloadState, site: str, folder: str, name: str, kind: str) -> DownloadState | None:
        """Look into the file of checksums of the folder, or ask for it. The entry itself: go on."""
        known, server = self._folder(folder), self._site(site)
        if kind not in known.lists:
            advice = _advice(server, kind, MAX_MISSES_OF_SITE)
            if advice is _Advice.ASK:
                known.lists[kind] = None
                return self._ask(entry, site, folder, kind, kind)
            return entry if advice is _Advice.SKIP else self._park(entry, server)
        lines = known.lists[kind]
        if lines is None:
            return self._park(entry, known)
        found = lines.find(name, entry.url, False)
        if found is not None:
            entry.checksums = (found,)
        return entry

    def _beside(self, entry: DownloadState, site: str, folder: str, name: str, kind: str) -> DownloadState | None:
        """Ask for the checksum beside the file, unless its kind is missing in the folder. The entry itself: go on."""
        known, server = self._folder(folder), self._site(site)
        for place, max_misses in ((known, MAX_MISSES), (server, MAX_MISSES_OF_SITE)):
            advice = _advice(place, kind, max_misses)
            if advice is not _Advice.ASK:
                return entry if advice is _Advice.SKIP else self._park(entry, place)
        last = entry.url.partition("?")[0].rpartition("/")[2]
        return self._ask(entry, site, folder, kind, last + kind[1:])

    def _park(self, entry: DownloadState, place: "_FolderSearch | _SiteSearch") -> DownloadState | None:
        """Let a Download wait for the next answer of this place."""
        place.parked.append(entry)
        self.parked += 1
        return None

    def _ask(self, entry: DownloadState, site: str, folder: str, kind: str, name: str) -> DownloadState:
        """The request for a file of the folder. The Download that it is made for waits."""
        key, self._next_key = self._next_key, self._next_key + 1
        self._asked[key] = _Asked(site, folder, kind, entry)
        _count_request(self._folder(folder), kind)
        _count_request(self._site(site), kind)
        self.parked += 1
        download = Download(folder + name, headers=entry.download.headers)
        return request_of_gate(key, _PATH, download, MAX_BYTES if kind.startswith("*") else MAX_FOLDER_BYTES)

    def answered(
        self, entry: DownloadState, outcome: Outcome | None, error: DownloadError | None
    ) -> tuple[list[DownloadState], float]:
        """Record what a request has brought; see `downloader.core.scheduling.gate.Gate.answered`."""
        self._is_dry_run |= outcome is not None and outcome.end is End.NOT_MODIFIED  # a run without requests
        asked = self._asked.pop(entry.key)
        known, server = self._folder(asked.folder), self._site(asked.site)
        waiting, kind = asked.entry, asked.kind
        server.is_silent |= error is not None and _is_of_server(error)
        body = body_of(outcome) if error is None else None
        lines = find_in_answer(_whole_lines(body, entry.keep_body), entry.url.rpartition("/")[2]) if body else {}
        if kind.startswith("*"):
            found = _of_one_file(lines, waiting.url)
            is_found = found is not None
            if found is not None:
                waiting.checksums = (found,)
            else:
                waiting.search_step += 1
        else:
            own = _of_folder(lines, asked.folder)
            known.lists[kind] = ChecksumList(own) if own else _NO_LINES
            is_found = bool(own)
        _count_answer(known, kind, is_found)
        _count_answer(server, kind, is_found)
        released = [waiting, *known.parked, *server.parked]
        known.parked, server.parked = [], []
        self.parked -= len(released)
        return released, 0.0

    def _site(self, origin: str) -> _SiteSearch:
        return self._sites.setdefault(origin, _SiteSearch())

    def _folder(self, url: str) -> _FolderSearch:
        known = self._folders.get(url)
        if known is None:
            if len(self._folders) >= MAX_FOLDERS:
                oldest = next((name for name, folder in self._folders.items() if folder.is_idle), None)
                if oldest is not None:
                    del self._folders[oldest]
            known = self._folders[url] = _FolderSearch()
        return known


def _is_of_server(error: DownloadError) -> bool:
    """Whether the error tells something of the server, and nothing of the file that was asked for."""
    return isinstance(error, NetworkError) or (isinstance(error, HTTPStatusError) and error.status in (429, 503))


def _place_of(url: str) -> tuple[str, str, str]:
    """The server of a URL, its folder with a slash at the end, and the name of the file; the query belongs to none of them."""
    folder, _, last = url.partition("?")[0].rpartition("/")
    return "/".join(url.split("/", 3)[:3]), f"{folder}/", unquote(last, errors="replace")


def _whole_lines(body: bytes, max_bytes: int) -> bytes:
    """The answer without its last line, if the answer was cut there."""
    return body if len(body) < max_bytes else body[: body.rfind(b"\n") + 1]


def _of_folder(lines: dict[str, Checksum | None], folder: str) -> dict[str, Checksum | None]:
    """The lines about files of this folder itself, by their names: a path with other folders is that of another file."""
    place = unquote(folder.partition("://")[2], errors="replace")
    parts = [(*path.rpartition("/"), item) for path, item in lines.items()]
    return {name: item for parent, slash, name, item in parts if not slash or place.endswith(f"/{parent}/")}


def _of_one_file(lines: dict[str, Checksum | None], url: str) -> Checksum | None:
    """The checksum in an answer that belongs to this URL: it has no name, that of standard input, or that of the file."""
    name = _place_of(url)[2]
    return lines.get("") or ChecksumList(lines).find(name, url, False) or lines.get("-")
