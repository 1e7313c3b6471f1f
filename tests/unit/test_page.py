"""The page as text: it holds what the study holds, in words and tables, and nothing in it can get out of its place."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from downloader.compare import certainty, page, picture
from downloader.compare.figures import seconds
from downloader.compare.measurements import AttemptSpan, Comparison, Measure, ResultRow, Study
from downloader.compare.page import series, words
from downloader.errors import DownloadError, StorageError, UsageError

STYLE = (Path(page.__file__).parent / "style.css").read_text()
VOID = {"meta", "link", "br", "input", "img", "hr"}
EVIL = '</script><img src=x onerror="alert(1)">&'
UNDECODABLE = "caf\udce9"


class Reader(HTMLParser):
    """What a page is made of, as far as it is asked for here."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.tables: list[dict[str, list[Any]]] = []
        self.texts: dict[str, str] = {}
        self.headings: list[int] = []
        self.said = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        found = dict(attributes)
        self.elements.append((tag, found))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "table":
            self.tables.append({"heads": [], "rows": [], "caption": []})
        elif tag == "tr":
            self.tables[-1]["rows"].append([])
        elif tag == "data":
            self.tables[-1]["rows"][-1].append(found["value"])
        elif re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "script" in self.open or "style" in self.open:
            self.texts[self.open[-1]] = self.texts.get(self.open[-1], "") + data
            return
        self.said += data
        if "thead" in self.open and data.strip():
            self.tables[-1]["heads"].append(data.strip())
        elif "th" in self.open and data.strip():
            self.tables[-1]["rows"][-1].append(data.strip())
        elif "caption" in self.open:
            self.tables[-1]["caption"].append(data.strip())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def read(study: Study) -> Reader:
    return Reader(page.render(study))


def embedded(text: str) -> dict[str, Any]:
    """The values that the charts are drawn from."""
    found = re.search(r'<script type="application/json" id="figures">(.*?)</script>', text, re.DOTALL)
    assert found is not None
    values: dict[str, Any] = json.loads(found[1])
    return values


def test_nothing_is_fetched_from_anywhere(read: Reader) -> None:
    assert not [attributes for _, attributes in read.elements if "src" in attributes]
    links = {str(attributes["href"]) for _, attributes in read.elements if "href" in attributes}
    assert links
    assert all(link.startswith(("#", "data:")) for link in links)
    (policy,) = [item for item in read.all("meta") if item.get("http-equiv") == "Content-Security-Policy"]
    assert str(policy["content"]).startswith("default-src 'none';")
    assert "url(" not in STYLE
    assert "@import" not in STYLE


def test_tables_hold_every_figure_of_the_study(study: Study, read: Reader) -> None:
    tables = {str(table["caption"][0]): table for table in read.tables}
    for comparison in study.comparisons:
        name = comparison.scenario.name
        elapsed = columns(tables[f"{name}, elapsed time"])
        cost = columns(next(table for caption, table in tables.items() if caption.startswith(f"{name}, CPU")))
        spread = columns(next(table for caption, table in tables.items() if caption.startswith(f"{name}, time to")))
        runs = columns(tables[f"{name}, traced runs"])
        assert set(elapsed) == set(cost) == {series.label(row) for row in comparison.rows}
        assert set(spread) == set(runs) == {series.label(row) for row in comparison.rows if not row.peer}
        (serial,) = (row for row in comparison.rows if series.label(row) == "serial")
        for row in comparison.rows:
            told = elapsed[series.label(row)] | cost[series.label(row)]
            assert float(told["elapsed, s"]) == pytest.approx(row.elapsed, rel=1e-7)
            assert float(told["low, s"]) == pytest.approx(row.low, rel=1e-7)
            assert float(told["high, s"]) == pytest.approx(row.high, rel=1e-7)
            assert float(told["speed-up"]) == pytest.approx(serial.elapsed / row.elapsed, rel=1e-7)
            assert float(told["CPU user, s"]) == pytest.approx(row.median("user"), rel=1e-7)
            assert float(told["CPU system, s"]) == pytest.approx(row.median("system"), rel=1e-7)
            assert float(told["peak memory, MB"]) == pytest.approx(row.peak / 1e6, rel=1e-7)
            assert int(told["failed"]) == row.failures
            if not row.peer:
                assert float(spread[series.label(row)]["first byte p99, ms"]) == pytest.approx(
                    row.first_byte.p99 * 1e3, rel=1e-7
                )
                assert float(spread[series.label(row)]["queue p50, ms"]) == pytest.approx(
                    row.queued.p50 * 1e3, rel=1e-7, abs=1e-9
                )
                assert int(runs[series.label(row)]["attempts"]) == len(row.stretches)
    overview = columns(tables["Elapsed time of every strategy in every scenario"])
    assert float(overview["threads"]["flaky, s"]) == pytest.approx(study.comparisons[1].rows[1].elapsed, rel=1e-7)


def columns(table: dict[str, list[Any]]) -> dict[str, dict[str, str]]:
    """The cells of a table's lines by their heads."""
    rows = [row for row in table["rows"] if row]
    return {row[0]: dict(zip(table["heads"][1:], row[1:], strict=True)) for row in rows}


def test_sweeps_are_in_tables_and_charts(study: Study) -> None:
    text = page.render(study)
    found = [table for table in Reader(text).tables if "elapsed time against" in table["caption"][0]]
    assert [table["heads"][1] for table in found] == ["jobs", "files"]
    for sweep, table in zip(study.sweeps, found, strict=True):
        told = [(row[0], int(row[1]), float(row[2])) for row in table["rows"] if row]
        measured = [
            (series.label(row), point.value, pytest.approx(row.elapsed, rel=1e-7))
            for point in sweep.points
            for row in point.rows
        ]
        assert told == measured
    kinds = {name.partition("-")[0] for name in embedded(text)["figures"]}
    assert {"jobs", "seconds", "each"} <= kinds


def test_markup_is_sound(read: Reader) -> None:
    assert read.open == []
    ids = [str(attributes["id"]) for _, attributes in read.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    for _, attributes in read.elements:
        for name in str(attributes.get("aria-labelledby") or "").split():
            assert name in ids
    assert read.all("html")[0]["lang"] == "en"
    assert read.headings[0] == 1
    assert read.headings.count(1) == 1
    assert all(after - before <= 1 for before, after in zip(read.headings, read.headings[1:], strict=False))
    assert len(read.all("caption")) == len(read.all("table"))
    assert {attributes.get("scope") for attributes in read.all("th")} == {"col", "row"}
    assert all(attributes.get("aria-labelledby") for attributes in read.all("figure"))
    assert {"header", "nav", "main", "footer", "noscript"} <= {name for name, _ in read.elements}
    links = [str(attributes["href"])[1:] for attributes in read.all("a")]
    assert set(links) <= set(ids)


def test_what_was_found_is_said_in_words(study: Study, read: Reader) -> None:
    for comparison in study.comparisons:
        winner = certainty.winner(comparison)
        level = certainty.level(comparison)
        assert (winner is None) is bool(level)
        if winner is not None:
            assert f"{winner.name} was the fastest strategy with {seconds(winner.elapsed)}" in read.said
        assert not level or f"Level: {', '.join(row.name for row in level)}, " in read.said
        assert comparison.scenario.isolates in read.said
        assert comparison.scenario.expect in read.said
        for sentence in (*comparison.why, *comparison.warnings):
            assert sentence in read.said
    for sentence in study.advice:
        assert sentence in read.said
    assert study.machine.processor in read.said


def with_others(study: Study, share: float | None) -> Study:
    """The same beside other programs that used this part of the machine."""
    comparisons = [
        replace(item, rows=[replace(row, runs=[replace(run, others=share) for run in row.runs]) for row in item.rows])
        for item in study.comparisons
    ]
    return replace(study, comparisons=comparisons, advice=[])


def test_no_winner_is_named_where_other_programs_used_the_machine(study: Study) -> None:
    calm, busy = with_others(study, 0.02), with_others(study, 0.62)
    assert "Fastest: " in words.summary(calm)
    assert "No winner" not in words.summary(calm)
    for text in (page.render(busy), page.render_still(busy)):
        said = Reader(text).said
        assert "No winner in latency and flaky: other programs used 62 % of the machine meanwhile." in said
        assert not [name for name in ("fastest strategy with", "Fastest:", "Level:", "times as fast as serial") if name in said]
        bars = [trace for trace in embedded(text)["figures"]["elapsed-scenario-1"]["data"] if trace["type"] == "bar"]
        assert bars
        assert all(bar["opacity"] < 1 for bar in bars)
    assert "No winner: other programs used 62 % of the machine meanwhile." in Reader(page.render_still(busy)).said
    assert "speedup-scenario-1" not in embedded(page.render(busy))["figures"]
    assert 'class="best"' not in page.render(busy)


def test_what_the_system_does_not_tell_is_said_once(study: Study) -> None:
    for text in (page.render(study), page.render_still(study)):
        assert Reader(text).said.count("This system does not tell how much of the machine other programs used") == 1
    assert "does not tell" not in page.render(with_others(study, 0.02))


def test_a_faster_peer_is_told(study: Study) -> None:
    slow = study.comparisons[0]
    fast = ResultRow("curl", 8, peer=True, how="quick", runs=[Measure(0.001, 0.1, 0.1, 1, 1, 1, 0)] * 3, low=0.001, high=0.001)
    told = words.summary(replace(study, comparisons=[replace(slow, rows=[*slow.rows, fast])]))
    assert "Faster still, among the other programs: curl 8 in latency (1.0 ms)" in told


def test_hostile_names_stay_where_they_are(study: Study) -> None:
    first = study.comparisons[0]
    rows = [replace(first.rows[0], strategy=EVIL), *first.rows[1:]]
    rows[0].stretches = [AttemptSpan(EVIL, 1, EVIL, 0.1, 0.2, 0.3, EVIL)]
    scenario = replace(first.scenario, name=EVIL, isolates=EVIL, expect=EVIL)
    hostile = Comparison(scenario, rows, bound=first.bound, why=[EVIL], warnings=[EVIL])
    machine = replace(study.machine, processor=EVIL, libraries={EVIL: EVIL})
    text = page.render(Study(machine, [hostile], advice=[EVIL]))
    read = Reader(text)
    assert len(read.all("script")) == 3
    assert read.all("img") == []
    assert read.said.count(EVIL) > 10
    values = embedded(text)
    assert EVIL in values["colours"]
    assert values["figures"]["timelines-scenario-1"]["timelines"][0]["file"] == [EVIL]
    drawn = json.dumps([item for item in values["figures"]["elapsed-scenario-1"]["data"] if item["meta"] == EVIL])
    assert "&lt;/script&gt;" in drawn  # plotly reads text as markup of its own


def test_a_study_of_little_makes_a_page(study: Study) -> None:
    first = study.comparisons[0]
    bare = ResultRow("threads", 0, runs=first.rows[1].runs)
    failed = ResultRow("async", 4, runs=[Measure(1.0, 0.1, 0.1, 10, 0, 0, 3)])
    little = Comparison(first.scenario, [bare, failed, ResultRow("serial", 1)])
    text = page.render(Study(study.machine, [little]))
    read = Reader(text)
    kinds = {name.partition("-")[0] for name in embedded(text)["figures"]}
    assert kinds == {"elapsed", "cpu", "memory"}  # nothing to be faster than, nothing traced
    assert "Files failed under async (3)" in read.said
    assert columns(read.tables[0])["serial"]["elapsed, s"] == ""
    named = Comparison(replace(first.scenario, name=UNDECODABLE), [bare])
    assert "caf?" in page.render(Study(study.machine, [named])).encode().decode()
    assert "0 ways to fetch a list" in Reader(page.render(Study(study.machine, []))).said
    assert "multiplex" in Reader(page.render(Study(study.machine, [], study.sweeps))).said


def test_what_is_missing_is_told_before_anything_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    page.check()
    monkeypatch.setattr(page, "NEEDED", ("jinja2", "plotly_is_not_here"))
    with pytest.raises(UsageError, match=r"pip install '\.\[compare\]'"):
        page.check()
    with pytest.raises(UsageError, match="compare"):
        picture.check()


def test_no_browser_is_told_before_anything_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(picture, "MAC_BROWSERS", ())
    with pytest.raises(UsageError, match="a picture needs Chromium or Chrome"):
        picture.check()


def test_a_browser_that_fails_is_told(study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "chromium"
    broken.write_text("#!/bin/sh\necho no display >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setattr(picture, "browser", lambda: str(broken))
    with pytest.raises(DownloadError, match="chromium took no picture: no display"):
        picture.write(study, tmp_path / "out.png")
    assert list(tmp_path.iterdir()) == [broken]


@pytest.mark.parametrize("write", [page.write, picture.write])
def test_where_nothing_can_be_written_is_told(
    study: Study, tmp_path: Path, write: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(picture, "browser", lambda: "/bin/true")
    with pytest.raises(StorageError, match="cannot write"):
        write(study, tmp_path / "nowhere" / "report.html")
