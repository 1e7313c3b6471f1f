"""The page: a whole `Study` as one HTML file that needs nothing else, neither a network nor this program.

Everything is written out here (texts, tables, an alternative in words for each chart); the scripts draw the charts from
values embedded beside them, filter by strategy, and copy tables. What is drawn is decided in `charts`, `timelines`,
`tables` and `words`; how it looks, in the style sheet. The page measures and concludes nothing.

Needs the extra ``compare``.
"""

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

from downloader.compare import certainty
from downloader.compare.caveats import uncertain
from downloader.compare.figures import size
from downloader.compare.page import charts, tables, timelines, words
from downloader.compare.page.series import of_study
from downloader.compare.results import Comparison, Row, Study, Sweep
from downloader.errors import StorageError
from downloader.extras import require

NEEDED = ("jinja2", "plotly")
SCRIPTS = ("theme.js", "timelines.js", "draw.js", "controls.js")


class Chart(NamedTuple):
    """One picture: what it is called, what it shows in words, and the values that it is drawn from."""

    id: str
    title: str
    words: str
    figure: dict[str, Any]
    note: str = ""


class Part(NamedTuple):
    """What belongs to one scenario, or one sweep. ``groups``: charts that stand side by side, with the table below them.

    ``contrast``: how many times as long as the fastest strategy the slowest took; 0 where not every attempt can be drawn.
    ``doubt``: why no winner is named, in words.
    """

    id: str
    title: str
    facts: list[str]
    groups: list[tuple[list[Chart], tables.Table]]
    isolates: str = ""
    expect: str = ""
    why: Sequence[str] = ()
    warnings: Sequence[str] = ()
    contrast: float = 0.0
    doubt: str = ""

    @property
    def charts(self) -> dict[str, Chart]:
        """By their kind: ``elapsed``, ``timelines`` …"""
        return {chart.id.partition("-")[0]: chart for charts, _ in self.groups for chart in charts}


def check() -> None:
    """Raises UsageError where what the page is made with is not installed. Cheap: to be called before anything is measured."""
    require("a page", *NEEDED, extra="compare")


def write(study: Study, path: str | Path) -> None:
    """Write the page to this file. Raises UsageError (see `check`) and StorageError."""
    text = render(study)
    try:
        Path(path).write_text(text, encoding="utf-8")
    except OSError as error:
        raise StorageError(f"cannot write {path}: {error.strerror}", hint="choose another file with --html") from None


def render(study: Study) -> str:
    """The page as text. Raises UsageError, see `check`."""
    parts = _parts(study)
    return _rendered("page.html", study, parts, [chart for part in parts for chart in part.charts.values()])


def render_still(study: Study) -> str:
    """A page without controls, to be made a picture of: elapsed time in each scenario, and the most telling timelines."""
    parts = [part for part in _parts(study) if "elapsed" in part.charts]
    timed = [part for part in parts if "timelines" in part.charts]
    telling = max(timed, key=lambda part: part.contrast, default=None)
    drawn = [part.charts["elapsed"] for part in parts] + ([telling.charts["timelines"]] if telling else [])
    return _rendered("still.html", study, parts, drawn, telling=telling)


def _rendered(template: str, study: Study, parts: list[Part], drawn: list[Chart], **more: Any) -> str:
    check()
    import jinja2
    import plotly.offline

    here = files(__package__)
    environment = jinja2.Environment(
        autoescape=True,
        loader=jinja2.FunctionLoader(lambda name: here.joinpath(name).read_text("utf-8")),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":"), "sort_keys": False}
    looks = of_study(study)
    text: str = environment.get_template(template).render(
        study=study,
        machine=study.machine,
        title=words.title(study),
        moment=words.moment(study.machine.when),
        summary=words.summary(study),
        parts=parts,
        series=looks,
        overview=tables.overview(study) if len(study.comparisons) > 1 else None,
        machine_table=tables.of_machine(study.machine),
        figures={chart.id: chart.figure for chart in drawn},
        colours={name: look.colour for name, look in looks.items()},
        style=here.joinpath("style.css").read_text("utf-8"),
        script="\n".join(here.joinpath(name).read_text("utf-8") for name in SCRIPTS),
        plotly=plotly.offline.get_plotlyjs(),
        **more,
    )
    return text.encode("utf-8", "replace").decode("utf-8")  # a file's name may hold what is no character


def _parts(study: Study) -> list[Part]:
    looks = of_study(study)
    found = [_scenario(f"scenario-{place}", item, looks) for place, item in enumerate(study.comparisons, 1)]
    return found + [_sweep(f"sweep-{place}", item, looks) for place, item in enumerate(study.sweeps, 1) if item.points]


def _scenario(name: str, item: Comparison, looks: charts.Looks) -> Part:
    def kept(*found: tuple[str, str, str, dict[str, Any] | None, str]) -> list[Chart]:
        return [Chart(f"{key}-{name}", title, text, figure, note) for key, title, text, figure, note in found if figure]

    rows = item.rows
    traced = [timelines.timeline(row) for row in rows if row.stretches]
    pictures: dict[str, Any] = {"timelines": [one.data for one in traced]}
    drawn = max((len(one.shown) for one in traced), default=0)
    thinned = any(len(one.shown) < one.total for one in traced)
    shown = (
        f"At most {drawn:,} attempts are drawn for each strategy, evenly chosen; those that failed come first."
        if thinned
        else ""
    )
    groups = [
        (
            kept(("elapsed", "Elapsed time", words.elapsed(item), charts.elapsed(item, looks), _legend(rows))),
            tables.of_elapsed(item),
        ),
        (
            kept(
                ("speedup", "Speed-up against serial", words.speedup(rows), charts.speedup(item, looks), ""),
                ("cpu", "CPU time", words.cpu(rows), charts.cpu(item, looks), "Solid: in user mode; hatched: in the kernel."),
                ("memory", "Peak memory", words.memory(rows), charts.memory(item, looks), "Of the whole process tree."),
            ),
            tables.of_cost(item),
        ),
        (
            kept(
                ("first", "To the first byte", words.spreads(rows, "first_byte"), charts.first_byte(item, looks), PERCENTILES),
                ("queue", "In the queue", words.spreads(rows, "queued"), charts.queue(item, looks), PERCENTILES),
            ),
            tables.of_spread(item),
        ),
        (
            kept(("timelines", "Timeline", words.timelines(traced), pictures, shown)) if traced else [],
            tables.of_timelines(item.scenario.name, traced),
        ),
    ]
    ours = [row.elapsed for row in rows if row.elapsed and not row.peer and not row.failures]
    return Part(
        id=name,
        title=item.scenario.name,
        facts=[*words.facts(item.scenario), *words.certain(item)],
        groups=[group for group in groups if group[0]],
        isolates=item.scenario.isolates,
        expect=item.scenario.expect,
        why=item.why,
        warnings=item.warnings,
        contrast=max(ours) / min(ours) if ours and not thinned else 0.0,
        doubt=words.doubt(item),
    )


def _legend(rows: Sequence[Row]) -> str:
    what = "range of the runs" if certainty.is_range(rows) else "interval"
    said = f"Bars: medians, with the {what} of each." if any(row.high for row in rows) else "Bars: medians."
    if any(row.peer for row in rows):
        said += " Hatched: other programs, as they come or with so many connections."
    return said + (" Faint: files failed, so the time is not comparable." if any(row.failures for row in rows) else "")


PERCENTILES = "Circle: median; diamond: 95th percentile; stroke: 99th."


def _sweep(name: str, item: Sweep, looks: charts.Looks) -> Part:
    if item.over == "jobs":
        told = [
            Chart(
                f"jobs-{name}", "Speed-up against jobs", words.swept(item, "speed-up"), charts.speedup_against_jobs(item, looks)
            )
        ]
    else:
        told = [
            Chart(f"seconds-{name}", "Elapsed time", words.swept(item, "seconds"), charts.seconds_against_files(item, looks)),
            Chart(f"each-{name}", "Cost of each file", words.swept(item, "each"), charts.cost_of_a_file(item, looks)),
        ]
    facts = words.facts(item.scenario)
    facts = facts if item.over == "jobs" else [f"files of {size(item.scenario.size)}", *facts[1:]]
    warnings = uncertain([row for point in item.points for row in point.rows])
    return Part(name, f"{item.scenario.name}, against {item.over}", facts, [(told, tables.of_sweep(item))], warnings=warnings)
