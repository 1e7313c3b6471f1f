"""`--name`, `--flatten` and `--fanout`: from a template and a Download to one safe path, the same in every run."""

import hashlib
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from downloader.core.facts import Checksum
from downloader.core.limits.slots import Slots
from downloader.core.model import Download, End, Outcome
from downloader.core.names.checksum_list import ChecksumList
from downloader.core.names.file_names import default_path, split_extension
from downloader.core.names.namer import Namer
from downloader.core.names.templates import FIELDS, Template
from downloader.core.scheduling.download_state import DownloadState
from downloader.core.scheduling.retry import RetryPolicy
from downloader.core.scheduling.scheduler import Scheduler
from downloader.core.scheduling.source_reader import SourceReader
from downloader.core.text import is_text
from downloader.errors import HTTPStatusError, PolicyError, UsageError
from downloader.runs.naming import namer_for, template_for
from downloader.runs.start_order import ordered
from downloader.settings.definitions import Settings
from tests.support.names import TEXT, is_safe
from tests.support.scheduling import take_all

URL = "https://u:secret@H.example:8443/pub/v%201/data.tar.gz?id=5&token=geheim&q=a%2Fb"
SHA256 = hashlib.sha256(URL.encode()).hexdigest()
ROW = Download(URL, metadata=(("id", "42"), ("file name", "a/b"), ("evil", "../../etc/passwd"), ("none", ""), ("dot", "..")))


@pytest.mark.parametrize(
    ("template", "path"),
    [
        ("{host}/{path}/{name}", "h.example/pub/v 1/data.tar.gz"),
        ("{host}/{path}/{stem}{ext}", "h.example/pub/v 1/data.tar.gz"),
        ("{scheme}_{host}_{port}{ext}", "https_h.example_8443.tar.gz"),
        ("{path}/x", "pub/v 1/x"),
        ("all-{path}-x", "all-pub/v 1-x"),
        ("{index}{ext}", "7.tar.gz"),
        ("{index:06d}{ext}", "000007.tar.gz"),
        ("{index:03}", "007"),
        ("{index:4d}", "7"),  # spaces at the edge of a name are removed
        ("{sha256}", SHA256),
        ("{sha256:.8}{ext}", SHA256[:8] + ".tar.gz"),
        ("{stem:.3}{ext}", "dat.tar.gz"),
        ("{query}", "id=5&token=***&q=a_b"),
        ("{query.id}-{query.q}-{query.token}", "5-a_b-***"),
        ("{query.nothing}{ext}", "_.tar.gz"),
        ("{col.id}{ext}", "42.tar.gz"),
        ("{col.file name}{ext}", "a_b.tar.gz"),
        ("{col.evil}", ".._.._etc_passwd"),
        ("x/{col.evil}/{name}", "x/.._.._etc_passwd/data.tar.gz"),
        ("{col.dot}/{name}", "_/data.tar.gz"),
        ("{col.dot}{col.dot}/x", "__/x"),
        ("{col.none}/{name}", "data.tar.gz"),
        ("x/{col.none}", "x/_"),
        ("{col.none}{ext}", "_.tar.gz"),
        ("d/{col.none}{col.none}{ext}", "d/_.tar.gz"),
        (".hidden/{name}", ".hidden/data.tar.gz"),
        ("{{{col.id}}}", "{42}"),
        ("{col.id}.part", "42.part_"),
        ("con.{col.id}", "_con.42"),
        ("a//{col.id}", "a/42"),
        ("{col.id}. ", "42"),
        ("a\n{col.id}", "a_42"),
    ],
)
def test_template_makes_a_path(template: str, path: str) -> None:
    assert Template(template).path_of(ROW, 7) == path


@pytest.mark.parametrize(
    ("url", "template", "path"),
    [
        ("http://h/", "{host}/{path}/{name}", "h/index.html"),
        ("http://h/", "{stem}-{index}{ext}", "index-7.html"),
        ("http://h/a/", "{path}/{name}", "a/index.html"),
        ("http://h/a//b/c", "{path}-{name}{ext}", "a/b-c"),
        ("http://h/%2e%2e/%2Fetc/..%2f..%2fpasswd", "{path}/{name}", "_/_etc/passwd"),
        ("http://h/.bashrc", "{stem}|{ext}", ".bashrc|"),
        ("http://h/.bashrc", "{path}/{name}", ".bashrc"),
        ("http://h/a.tar.xz", "{stem}|{ext}", "a|.tar.xz"),
        ("http://h/a.b.c", "{stem}|{ext}", "a.b|.c"),
        ("http://h/a.", "{stem}|{ext}", "a|"),
        ("http://[::1]:80/a", "{host}-{port}-{name}", "__1-80-a"),
        ("http://h/a", "{port}{query}", "80"),
        ("https://h/a", "{port}", "443"),
        ("http://h/a", "{query}/{name}", "a"),
        ("http://h/a?x=%ff", "{query}", "x=\ufffd"),
        ("http://h/%E4%BD%A0.txt", "{stem:.1}{ext}", "你.txt"),
    ],
)
def test_fields_come_from_the_url(url: str, template: str, path: str) -> None:
    assert Template(template).path_of(Download(url), 7) == path


@pytest.mark.parametrize(
    ("template", "message", "hint"),
    [
        ("{nmae}", "unknown field {nmae}", "did you mean {name}?"),
        ("{sha265}", "unknown field {sha265}", "did you mean {sha256}?"),
        ("{origin}", "unknown field {origin}", "the fields are host"),
        ("{}", "unknown field {}", "the fields are host"),
        ("{0}", "unknown field {0}", "the fields are host"),
        ("{col.}", "unknown field {col.}", "did you mean {col.NAME}?"),
        ("{name.stem}", "unknown field {name.stem}", ""),
        ("{name[0]}", "unknown field {name[0]}", "did you mean {name}?"),
        ("{name", "unbalanced braces", "{{"),
        ("name}", "unbalanced braces", "{{"),
        ("{name}}", "unbalanced braces", "{{"),
        ("{na{me}", "unbalanced braces", "{{"),
        ("{name:06d}", "{name:06d} has an unknown format", "{name:.8}"),
        ("{name:>8}", "{name:>8} has an unknown format", "{name:.8}"),
        ("{name:.0}", "{name:.0} has an unknown format", "{name:.8}"),
        ("{name:{ext}}", "{name:{ext}} has an unknown format", "{name:.8}"),
        ("{index:.8}", "{index:.8} has an unknown format", "{index:06d}"),
        ("{index:x}", "{index:x} has an unknown format", "{index:06d}"),
        ("{index:999d}", "{index:999d} has an unknown format", "{index:06d}"),
        ("{name!r}", "{name!r} has a conversion", "write {name}"),
        ("file.txt", "has no field", "{index:04d}{ext}"),
        ("/data/{name}", "absolute", "--dir"),
        ("~/{name}", "absolute", "--dir"),
        ("../{name}", "'..'", "--dir"),
        ("a/ .. /{name}", "'..'", "--dir"),
        ("./{name}", "'..'", "--dir"),
        ("{host}/", "folder", "{host}/{name}"),
        ("{host}\\{name}", "backslash", "write /"),
    ],
)
def test_a_wrong_template_is_refused_before_the_start(template: str, message: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        template_for(Settings(name=template))
    assert message in caught.value.reason
    assert caught.value.reason.startswith("--name: ")
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (Settings(name="{name}", keep_paths=True), "--name and --keep-paths"),
        (Settings(fanout=3), "0, 1 or 2"),
        (Settings(cut_dirs=1), "--keep-paths"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(settings: Settings, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        namer_for(settings, template_for(settings))


def test_every_field_of_the_messages_exists() -> None:
    for field in FIELDS:
        name = field.replace("NAME", "id")
        assert Template(f"{{{name}}}").path_of(ROW, 7)


PIECES = [
    *(f"{{{field}}}" for field in FIELDS),
    "{col.a}",
    "{col.b:.3}",
    "{index:05d}",
    "/",
    "-",
    ".",
    "x",
    "{{",
    "{sha256:.4}",
]


@given(st.lists(st.sampled_from(PIECES), min_size=1, max_size=6).map("".join), TEXT, TEXT, TEXT, st.text(max_size=30))
def test_no_value_leaves_its_place(text: str, first: str, second: str, server_name: str, name: str) -> None:
    text = text.replace("col.NAME", "col.a").replace("query.NAME", "query.q")
    try:
        template = Template(text)
    except UsageError:
        return
    download = Download("https://h.example/a/b.txt", metadata=(("a", first), ("b", second)))
    path = template.path_of(download, 3, server_name)
    assert path == template.path_of(download, 3, server_name)
    assert all(is_safe(part) for part in path.split("/"))
    assert path.count("/") <= text.count("/") + text.count("{path}")
    flat = Namer(render=template.path_of, flatten=True, fanout=2).path_of(download, 3, server_name)
    assert "/" not in flat
    assert is_safe(flat)


@given(TEXT.filter(is_text))
def test_stem_and_extension_are_the_whole_name(name: str) -> None:
    stem, extension = split_extension(name)
    assert stem + extension == name
    assert extension == "" or extension.startswith(".")


# --- columns


def test_a_row_without_the_column_fails_alone() -> None:
    listed = [Download("https://h/a", metadata=(("id", "1"),)), Download("https://h/b"), Download("https://h/c", out="c")]
    reader = SourceReader(iter(listed), None, False, Namer(render=Template("{col.id}").path_of))
    first, second, third = reader.read_ahead(0.0, 0, 0, 0)
    assert isinstance(first, DownloadState)
    assert isinstance(third, DownloadState)
    assert (first.path, third.path) == ("1", "c")
    assert not isinstance(second, DownloadState)
    assert isinstance(second.error, PolicyError)
    assert second.error.reason == "the row has no value in a column of --name: 'id'"
    assert second.url == "https://h/b"


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], ""),
        ([Download("https://h/a")], "no column 'id', 'title'"),
        ([Download("https://h/a", out="x")], ""),
        ([Download("https://h/a", metadata=(("id", ""),)), Download("https://h/a", metadata=(("title", "x"),))], ""),
        ([Download("https://h/a", metadata=(("ID", "1"), ("title", "x")))], "no column 'id'"),
    ],
)
def test_a_list_without_the_column_is_refused(rows: list[Download], message: str) -> None:
    template = Template("{col.id}{col.title}")
    if not message:
        template.check_columns(rows)
        return
    with pytest.raises(UsageError) as caught:
        template.check_columns(rows)
    assert message in caught.value.reason
    assert caught.value.hint == ("the columns are ID, title" if rows[0].metadata else caught.value.hint)
    assert caught.value.hint


def test_the_list_is_read_only_until_each_column_was_found() -> None:
    def rows() -> Iterator[Download]:
        yield Download("https://h/a", metadata=(("id", "1"),))
        raise AssertionError("read on")

    Template("{col.id}").check_columns(rows())


# --- what comes first


@pytest.mark.parametrize(
    ("download", "path"),
    [
        (Download("https://h/a/b.txt"), "T/b.txt"),
        (Download("https://h/a/b.txt", out="o/p"), "o/p"),
        (Download("https://h/a/b.txt", dir="d/e"), "d/e/T/b.txt"),
        (Download("https://h/a/b.txt", dir="d", out="o/p"), "d/o/p"),
        (Download("https://h/a/b.txt", out="./"), "T/b.txt"),
    ],
)
def test_the_names_of_the_list_come_before_the_template(download: Download, path: str) -> None:
    render = Template("T/{name}").path_of
    assert Namer(render=render).path_of(download, 1) == path
    assert Namer(render=render, flatten=True).path_of(download, 1) == path.replace("/", "_")


def test_a_server_name_replaces_the_fields_that_come_from_the_url() -> None:
    path_of = Template("{host}/{index}-{stem:.2}{ext}").path_of
    download = Download("https://h/download.php?id=5")
    assert path_of(download, 1) == "h/1-do.php"
    assert path_of(download, 1, "Report.pdf") == "h/1-Re.pdf"
    assert path_of(download, 1, "../..") == "h/1-do.php"
    assert path_of(download, 1, "../../x.sh") == "h/1-x.sh"


def test_a_server_name_is_asked_for_only_where_it_matters() -> None:
    for name, asked in (("", True), ("{index}{ext}", True), ("{index}", False)):
        settings = Settings(name=name, content_disposition=True)
        assert namer_for(settings, template_for(settings)).asks_server is asked


def run_of(*downloads: Download, namer: Namer, **options: bool) -> Scheduler:
    return Scheduler(iter(downloads), Slots(99, 99), RetryPolicy(0), namer=namer, **options)


def test_a_probe_leads_to_a_name_by_the_template() -> None:
    template = Template("{host}/{index:02d}{ext}")
    namer = Namer(render=template.path_of, asks_server=True, fanout=1)
    run = run_of(Download("https://h/a"), Download("https://h/b?x"), namer=namer, probe=True)
    for probe in take_all(run):
        assert probe.is_probe
        run.settle(Outcome(probe.key, End.NAME_LEARNED, proposed_name="r.pdf"), 0.0, 0.0)
    assert [attempt.path for attempt in take_all(run)] == [namer.placed("h/01.pdf"), namer.placed("h/02.pdf")]


def test_equal_names_get_a_digest_of_the_url() -> None:
    namer = Namer(flatten=True)
    listed = (
        Download("https://h/1", out="a/b.txt"),
        Download("https://h/2", out="a_b.txt"),
        Download("https://h/3", out="a_b.txt"),
    )
    first, second, third = (attempt.path for attempt in take_all(run_of(*listed, namer=namer)))
    assert first == "a_b.txt"
    assert len({first, second, third}) == 3
    assert {second[:4], third[:4]} == {"a_b-"}


# --- fan-out


def test_fanout_depends_on_the_path_alone() -> None:
    """The digest is written here: it must not change between versions, or files would be fetched again."""
    assert Namer(fanout=0).placed("a/b.txt") == "a/b.txt"
    assert Namer(fanout=1).placed("a/b.txt") == "2b/a/b.txt"
    assert Namer(fanout=2).placed("a/b.txt") == "2b/31/a/b.txt"


def test_fanout_spreads_files_evenly() -> None:
    namer = Namer(fanout=1)
    folders = [namer.placed(f"file{number}").partition("/")[0] for number in range(4000)]
    counts = [folders.count(folder) for folder in set(folders)]
    assert len(counts) == 256
    assert max(counts) < 50


@given(TEXT.filter(bool), st.sampled_from([1, 2]), st.booleans())
def test_a_placed_path_that_is_listed_keeps_its_folders(name: str, fanout: int, flatten: bool) -> None:
    namer = Namer(flatten=flatten, fanout=fanout)
    try:
        path = namer.path_of(Download("https://h/a/b", out=name), 1)
    except Exception:  # noqa: BLE001 - such a name is refused with and without the folders
        return
    placed = namer.placed(path)
    again = namer.path_of(Download("https://h/a/b", out=placed), 1)
    assert namer.placed(again) == placed


@pytest.mark.parametrize(
    "namer",
    [
        Namer(),
        Namer(cut_dirs=0),
        Namer(flatten=True),
        Namer(fanout=2),
        Namer(flatten=True, fanout=1),
        Namer(render=Template("{index}").path_of),
        Namer(render=Template("x/{index}-{name}").path_of, flatten=True, fanout=2),
    ],
)
def test_a_list_of_failures_leads_to_the_same_paths(namer: Namer) -> None:
    """With the same options, and in another order."""
    listed = [Download("https://h/x/1"), Download("https://h/2"), Download("https://h/y/1"), Download("https://h/3", dir="d")]
    listed += [
        Download("https://h/4", out="e/1"),
        Download("https://h/5", out="e/1"),
        Download("https://h/6", dir="d", out="3"),
    ]
    run = run_of(*listed, namer=namer)
    attempts = take_all(run)
    for attempt in attempts:
        run.settle(Outcome(attempt.key, End.FAILED, error=HTTPStatusError(404)), 0.0, 0.0)
    failed = [result.download for result in run.results() if result.download is not None]
    again = take_all(run_of(*reversed(failed), namer=namer))
    assert {attempt.url: attempt.path for attempt in again} == {attempt.url: attempt.path for attempt in attempts}
    assert len({attempt.path for attempt in attempts}) == len(listed)


def test_checksums_belong_to_the_final_paths() -> None:
    namer = Namer(render=Template("{index:03d}{ext}").path_of, fanout=1)
    path = namer.placed("001.txt")
    downloads = [Download("https://h/a.txt")]
    checksum = Checksum("sha256", "1" * 64)
    ChecksumList({path: checksum}).check_any_matches(iter(downloads), namer)
    with pytest.raises(UsageError, match=path):
        ChecksumList({"other.txt": checksum}).check_any_matches(iter(downloads), namer)
    (attempt,) = take_all(
        Scheduler(iter(downloads), Slots(1, 1), RetryPolicy(), checksum_list=ChecksumList({path: checksum}), namer=namer)
    )
    assert attempt.checksums == (checksum,)


# --- the position in the list


def test_positions_are_those_of_the_list_in_any_order() -> None:
    listed = [Download(f"https://h/{name}") for name in "abc"]
    namer = Namer(render=Template("{index}").path_of)
    for source, urls in ((iter(listed), "abc"), (ordered(iter(listed), "reversed", numbers=True), "cba")):
        attempts = take_all(Scheduler(source, Slots(99, 99), RetryPolicy(0), namer=namer))
        assert [attempt.url[-1] for attempt in attempts] == list(urls)
        assert {attempt.url[-1]: attempt.path for attempt in attempts} == {"a": "1", "b": "2", "c": "3"}


@given(st.sampled_from(["https://h.example/a/b.txt", "http://h/", "http://h:81/a%20b?c", "https://h/x/%2e%2e/"]), st.booleans())
def test_without_settings_the_path_is_the_default(url: str, in_folder: bool) -> None:
    download = Download(url, dir="d" if in_folder else "")
    settings = Settings()
    namer = namer_for(settings, template_for(settings))
    assert namer.placed(namer.path_of(download, 9)) == default_path(download)
