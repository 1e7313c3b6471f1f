"""Lists that are documents, patterns with braces, and the order of a list: with the command as a user types it."""

import gzip
import hashlib
import io
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pytest_httpserver import HTTPServer

import downloader
from downloader import Download, UsageError
from tests.support.command import Shell

NAMES = ["a.nc", "b.nc", "c.txt"]


@pytest.fixture
def base(httpserver: HTTPServer) -> str:
    """The URL of a server with some files, without the slash at its end."""
    for name in NAMES:
        httpserver.expect_request(f"/data/{name}").respond_with_data(f"content of {name}")
    httpserver.expect_request("/missing").respond_with_data("", 404)
    return httpserver.url_for("").rstrip("/")


def files(folder: Path) -> dict[str, str]:
    """All files below a folder, and their contents."""
    found = (path for path in folder.rglob("*") if path.is_file() and ".downloader" not in path.parts)
    return {str(path.relative_to(folder)): path.read_text() for path in found}


def meta4(base: str) -> bytes:
    digest = hashlib.sha256(b"content of a.nc").hexdigest()
    return f"""<?xml version="1.0" encoding="UTF-8"?>
    <metalink xmlns="urn:ietf:params:xml:ns:metalink">
      <file name="x/a.nc"><size>15</size><hash type="sha-256">{digest}</hash>
        <url priority="1">{base}/missing</url><url priority="2">{base}/data/a.nc</url></file>
      <file name="b.nc"><url>ftp://127.0.0.1/b.nc</url><url>{base}/data/b.nc</url></file>
    </metalink>""".encode()


def metalink(base: str) -> bytes:
    return f"""<metalink version="3.0" xmlns="http://www.metalinker.org/"><files>
      <file name="x/a.nc"><resources><url type="http">{base}/data/a.nc</url></resources></file>
      <file name="b.nc"><resources><url type="http">{base}/data/b.nc</url></resources></file>
    </files></metalink>""".encode()


def sitemap(base: str) -> bytes:
    return f"""<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">
      <url><loc>{base}/data/a.nc</loc><lastmod>2024-05-01</lastmod></url><url><loc>{base}/data/b.nc</loc></url>
    </urlset>""".encode()


def page(base: str) -> bytes:
    links = "".join(f"<a href='{name}'>{name}</a>" for name in ["../", *NAMES, "sub/"])
    return f"<!doctype html><base href='{base}/data/'>{links}".encode()


def table(base: str) -> bytes:
    target = io.BytesIO()
    columns = {"link": [f"{base}/data/a.nc", f"{base}/data/b.nc"], "filename": ["x/a.nc", "b.nc"]}
    pq.write_table(pa.table(columns), target)
    return target.getvalue()


DOCUMENTS: dict[str, tuple[Callable[[str], bytes], list[str], str]] = {
    "list.meta4": (meta4, ["x/a.nc", "b.nc"], "metalink"),
    "list.metalink": (metalink, ["x/a.nc", "b.nc"], "metalink"),
    "sitemap.xml": (sitemap, ["a.nc", "b.nc"], "sitemap"),
    "index.html": (page, ["a.nc", "b.nc"], "html"),
    "list.parquet": (table, ["x/a.nc", "b.nc"], "parquet"),
}
"""A document of each format by its name: what makes it, the files that it lists, and the name of the format."""


@pytest.mark.parametrize("place", ["file", "compressed", "stdin", "url"])
@pytest.mark.parametrize("name", list(DOCUMENTS))
def test_each_format_from_each_place(dl: Shell, httpserver: HTTPServer, base: str, name: str, place: str) -> None:
    make, paths, format_name = DOCUMENTS[name]
    content = make(base)
    words = ["-d", "out", "--links", "*.nc"] if format_name == "html" else ["-d", "out"]
    if place == "file":
        (dl.folder / name).write_bytes(content)
        words.insert(0, name)
    elif place == "compressed":
        (dl.folder / f"{name}.gz").write_bytes(gzip.compress(content))
        words.insert(0, f"{name}.gz")
    elif place == "url":
        httpserver.expect_request(f"/lists/{name}").respond_with_data(content)
        words += [f"{base}/lists/{name}", "--format", format_name]
    else:
        words.insert(0, "-")
    command = [sys.executable, "-m", "downloader", *words]
    done = subprocess.run(command, cwd=dl.folder, input=content if place == "stdin" else b"", capture_output=True)
    assert done.returncode == 0, done.stderr
    assert files(dl.folder / "out") == {path: f"content of {path.rpartition('/')[2]}" for path in paths}
    assert b"2 done, 0 skipped, 0 failed" in done.stderr


def test_relative_links_of_a_page_at_a_url(dl: Shell, httpserver: HTTPServer, base: str) -> None:
    links = "".join(f"<a href='{name}'>" for name in ("a.nc", "/data/b.nc", "c.txt", "?C=N;O=D", "../", "sub/"))
    httpserver.expect_request("/data/").respond_with_data(links, content_type="text/html")
    httpserver.expect_request("/moved").respond_with_data("", 302, {"Location": "/data/"})
    for url, folder in ((f"{base}/data/", "out"), (f"{base}/moved", "out2")):
        done = dl(url, "--links", "*.nc", "-d", folder)
        assert done.returncode == 0, done.stderr
        assert sorted(files(dl.folder / folder)) == ["a.nc", "b.nc"]


def test_all_parts_of_the_listing_of_a_bucket_are_read(dl: Shell, httpserver: HTTPServer, base: str) -> None:
    def part(name: str, more: str = "") -> str:
        key = f"<Contents><Key>{name}</Key><Size>15</Size></Contents>"
        return f"<ListBucketResult><IsTruncated>{str(bool(more)).lower()}</IsTruncated>{key}{more}</ListBucketResult>"

    first = part("a.nc", "<NextContinuationToken>+1</NextContinuationToken>")
    later = {"list-type": "2", "continuation-token": "+1"}
    httpserver.expect_request("/data", query_string={"list-type": "2"}).respond_with_data(first)
    httpserver.expect_request("/data", query_string=later).respond_with_data(part("b.nc"))
    done = dl(f"{base}/data?list-type=2", "--links", "*.nc", "-d", "out")
    assert done.returncode == 0, done.stderr
    assert files(dl.folder / "out") == {name: f"content of {name}" for name in ("a.nc", "b.nc")}


def test_the_urls_that_a_program_gives_may_be_pages(httpserver: HTTPServer, base: str, tmp_path: Path) -> None:
    httpserver.expect_request("/1/").respond_with_data("<a href='/data/a.nc'><a href='/data/c.txt'>")
    file = Download(f"{base}/data/b.nc")
    for number, urls in enumerate(([f"{base}/1/", file], iter([f"{base}/1/", file]))):
        report = downloader.download(urls, tmp_path / str(number), links=["*.nc"])
        assert sorted(result.path for result in report.results) == ["a.nc", "b.nc"]
    for urls in ([f"{base}/missing"], iter([f"{base}/missing"])):
        with pytest.raises(UsageError, match="cannot fetch the list: HTTP 404"):
            downloader.download(urls, tmp_path / "x", links=["*.nc"])
    with pytest.raises(UsageError, match="not a URL"):
        downloader.download(["pages.txt"], tmp_path / "x", links=["*.nc"])


@pytest.mark.parametrize("place", ["file", "stdin"])
def test_the_urls_of_a_list_may_be_pages(dl: Shell, httpserver: HTTPServer, base: str, place: str) -> None:
    httpserver.expect_request("/1/").respond_with_data("<a href='/data/a.nc'><a href='/data/c.txt'>")
    packed = gzip.compress(b"<a href='../data/b.nc'>")
    httpserver.expect_request("/2").respond_with_data("", 302, {"Location": "/moved/"})
    httpserver.expect_request("/moved/").respond_with_data(packed)
    listed = f"{base}/1/\n  dir=one\n{base}/missing\n{base}/2\n  out=x\n{base}/2\n"
    (dl.folder / "pages.txt").write_text(listed)
    words = ["pages.txt" if place == "file" else "-", "--links", "*.nc", "-d", "out", "--skip-bad-lines"]
    done = dl(*words, stdin=listed)
    assert done.returncode == 0, done.stderr
    assert files(dl.folder / "out") == {"one/a.nc": "content of a.nc", "b.nc": "content of b.nc"}
    assert "skipped 2 invalid lines" in done.stderr
    if place == "file":
        assert "pages.txt:3: a page cannot be read: cannot fetch the list: HTTP 404 Not Found" in done.stderr
        assert "pages.txt:4: the list says more of this URL than a page can have" in done.stderr


def test_a_sitemap_index_is_read_one_level_deep(dl: Shell, httpserver: HTTPServer, base: str) -> None:
    entries = "".join(f"<sitemap><loc>{base}/{name}</loc></sitemap>" for name in ("s1.xml", "s2.xml.gz"))
    httpserver.expect_request("/index.xml").respond_with_data(f"<sitemapindex>{entries}</sitemapindex>")
    httpserver.expect_request("/s1.xml").respond_with_data(f"<urlset><url><loc>{base}/data/a.nc</loc></url></urlset>")
    packed = gzip.compress(f"<urlset><url><loc>{base}/data/b.nc</loc></url></urlset>".encode())
    httpserver.expect_request("/s2.xml.gz").respond_with_data(packed)
    done = dl(f"{base}/index.xml", "--format", "sitemap", "-d", "out")
    assert done.returncode == 0, done.stderr
    assert sorted(files(dl.folder / "out")) == ["a.nc", "b.nc"]


def test_wrong_files_of_a_metalink_are_told_before_anything_starts(dl: Shell, base: str) -> None:
    content = meta4(base).decode().replace('name="b.nc"', 'name="../b.nc"')
    (dl.folder / "list.meta4").write_text(content)
    done = dl("list.meta4", "-d", "out")
    assert done.returncode == 2
    assert "list.meta4:5: file 2: the path leaves the folder: '../b.nc'" in done.stderr
    assert not (dl.folder / "out").exists()
    passed = dl("list.meta4", "-d", "out", "--skip-bad-lines")
    assert passed.returncode == 0, passed.stderr
    assert list(files(dl.folder / "out")) == ["x/a.nc"]
    assert not (dl.folder / "b.nc").exists()


@pytest.mark.parametrize("place", ["file", "stdin"])
@pytest.mark.parametrize(
    ("name", "kept", "said"),
    [
        ("list.meta4", -30, "the document is truncated"),
        ("sitemap.xml", -30, "the document is truncated"),
        ("list.parquet", -30, "not a Parquet file, or a truncated one"),
    ],
)
def test_a_truncated_document_is_one_error(dl: Shell, base: str, name: str, kept: int, said: str, place: str) -> None:
    content = DOCUMENTS[name][0](base)[:kept]
    (dl.folder / name).write_bytes(content)
    with (dl.folder / name).open("rb") as stream:
        done = subprocess.run(
            [sys.executable, "-m", "downloader", name if place == "file" else "-", "-d", "out"],
            cwd=dl.folder,
            stdin=stream if place == "stdin" else subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
    assert done.returncode == 2
    assert done.stderr.count(said) == 1
    assert "Traceback" not in done.stderr


def test_a_page_without_a_match_is_one_error_that_shows_names(dl: Shell, base: str) -> None:
    (dl.folder / "index.html").write_bytes(page(base))
    done = dl("index.html", "--links", "*.zip", "-d", "out")
    assert done.returncode == 2
    assert "index.html: none of the 3 links matches *.zip: a.nc, b.nc, c.txt" in done.stderr


def test_an_xml_bomb_is_refused(dl: Shell) -> None:
    entities = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10 if n else "ha" * 10}">' for n in range(12))
    (dl.folder / "bomb.meta4").write_text(f"<!DOCTYPE metalink [{entities}]>\n<metalink>&e11;</metalink>")
    done = dl("bomb.meta4", "-d", "out")
    assert done.returncode == 2
    assert "bomb.meta4:1: the document declares an entity" in done.stderr


# --- --expand


def test_braces_are_expanded_where_it_was_asked_for(dl: Shell, base: str) -> None:
    dl.list(f"{base}/data/{{a,b}}.nc\t{base}/mirror/{{a,b}}.nc", "  out=x{1..2}", f"{base}/data/c.txt")
    done = dl("urls.txt", "--expand", "-d", "out")
    assert done.returncode == 0, done.stderr
    assert "3 done" in done.stderr
    assert files(dl.folder / "out") == {"x1": "content of a.nc", "x2": "content of b.nc", "c.txt": "content of c.txt"}
    plain = dl(f"{base}/data/{{a,b}}.nc", "--dry-run")
    assert plain.stdout == f"fetch\t{base}/data/%7Ba,b%7D.nc\t{{a,b}}.nc\n"


@pytest.mark.parametrize("place", ["file", "stdin", "argument"])
def test_a_bad_pattern_is_told_with_its_line(dl: Shell, base: str, place: str) -> None:
    lines = [f"{base}/data/{{a,b}}.nc", f"{base}/data/{{a}}.nc"]
    words = {"file": ["urls.txt"], "stdin": ["-"], "argument": lines}[place]
    dl.list(*lines)
    done = dl(*words, "--expand", "-d", "out", stdin="\n".join(lines))
    assert done.returncode == 2
    where = {"file": "urls.txt:2: ", "stdin": "-:2: ", "argument": ""}[place]
    assert f": {where}{{a}} is neither a range nor a choice" in done.stderr
    assert (dl.folder / "out").exists() == (place == "stdin")


def test_pages_with_patterns_in_their_urls(dl: Shell, httpserver: HTTPServer, base: str) -> None:
    for year, name in ((2023, "a.nc"), (2024, "b.nc")):
        httpserver.expect_request(f"/{year}/").respond_with_data(f"<a href='/data/{name}'>")
    done = dl(f"{base}/{{2023..2024}}/", "--expand", "--links", "*.nc", "-d", "out")
    assert done.returncode == 0, done.stderr
    assert sorted(files(dl.folder / "out")) == ["a.nc", "b.nc"]


def test_the_progress_knows_how_many_urls_there_are(tmp_path: Path) -> None:
    (tmp_path / "urls.txt").write_text(
        "http://127.0.0.1:9/{a,b}\n  out={1..2}\nhttp://127.0.0.1:9/{001..100}{x,y}\nhttp://127.0.0.1:9/c\n"
    )
    assert downloader.Downloader(tmp_path, expand=True).session(tmp_path / "urls.txt").stats.total == 203


def test_braces_in_the_library(base: str, tmp_path: Path) -> None:
    pattern = f"{base}/data/{{a,b}}.nc"
    for number, urls in enumerate((pattern, [pattern], iter([pattern]))):
        report = downloader.download(urls, tmp_path / str(number), expand=True)
        assert report.done == 2
    literal = downloader.Downloader(tmp_path / "x", expand=True).session([Download(pattern), pattern])
    assert literal.stats.total == 3
    with pytest.raises(UsageError, match="neither a range nor a choice"):
        downloader.download(["https://a.example/{x}"], tmp_path, expand=True)


def test_a_billion_urls_start_at_once(tmp_path: Path) -> None:
    session = downloader.Downloader(tmp_path, expand=True).session(["http://127.0.0.1:9/{000000000..999999999}"])
    assert session.stats.total == 10**9
    assert session.run.take()[0].path == "000000000"


# --- --order


@pytest.fixture
def started(httpserver: HTTPServer) -> list[str]:
    """The last parts of the URLs that were asked for, in order."""
    from werkzeug import Request, Response

    asked: list[str] = []

    def answer(request: Request) -> Response:
        asked.append(request.path.rpartition("/")[2])
        return Response(b"x" * 3)

    for number in range(6):
        httpserver.expect_request(f"/{number}").respond_with_handler(answer)
    return asked


@pytest.mark.parametrize("place", ["file", "stdin"])
@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("listed", "401235"),
        ("reversed", "543210"),
        ("priority", "401235"),
    ],
)
def test_order_of_a_table(dl: Shell, httpserver: HTTPServer, started: list[str], order: str, expected: str, place: str) -> None:
    priorities = [0, 0, 0, -1, 9, -2]
    rows = [f"{httpserver.url_for('')}{number},{priority}" for number, priority in enumerate(priorities)]
    text = "\n".join(["url,priority", *rows]) + "\n"
    (dl.folder / "list.csv").write_text(text)
    words = ["list.csv"] if place == "file" else ["-"]
    done = dl(*words, "--order", order, "-d", "out", "-s", "serial", stdin=text)
    assert done.returncode == 0, done.stderr
    assert "".join(started) == expected


def test_smallest_first(dl: Shell, httpserver: HTTPServer, started: list[str]) -> None:
    sizes = ["", "3", "3", "", "3", "3"]
    rows = [f"{httpserver.url_for('')}{number},{size}" for number, size in enumerate(sizes)]
    (dl.folder / "list.csv").write_text("\n".join(["url,size", *rows]) + "\n")
    done = dl("list.csv", "--order", "smallest", "-d", "out", "-s", "serial")
    assert done.returncode == 0, done.stderr
    assert "".join(started) == "124503"


@pytest.mark.parametrize("order", ["reversed", "priority", "smallest", "random"])
def test_a_live_pipe_need_not_end_before_its_urls_start(
    dl: Shell, httpserver: HTTPServer, started: list[str], order: str
) -> None:
    command = [sys.executable, "-m", "downloader", "-", "--order", order, "-d", "out"]
    with subprocess.Popen(command, cwd=dl.folder, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL) as running:
        assert running.stdin is not None
        running.stdin.write(b"".join(f"{httpserver.url_for('')}{number}\n".encode() for number in range(3)))
        running.stdin.flush()
        for _ in range(3000):
            if len(started) >= 2:  # the third line may have options below it
                break
            time.sleep(0.01)
            assert running.poll() is None
        assert len(started) >= 2
        running.stdin.write(f"{httpserver.url_for('')}5\n".encode())
        running.stdin.close()
    assert running.returncode == 0
    assert sorted(started) == ["0", "1", "2", "5"]


def test_order_in_the_library(httpserver: HTTPServer, started: list[str], tmp_path: Path) -> None:
    urls = [Download(httpserver.url_for(f"/{number}"), priority=number % 3) for number in range(6)]
    for order, expected in (("priority", "251403"), ("reversed", "543210")):
        started.clear()
        assert downloader.download(urls, tmp_path / order, order=order, strategy="serial").done == 6  # type: ignore[arg-type]
        assert "".join(started) == expected
    started.clear()
    with downloader.stream(urls, tmp_path / "random", order="random") as results:
        assert sorted(result.path for result in results) == list("012345")
