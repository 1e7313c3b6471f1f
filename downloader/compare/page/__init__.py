"""The page of a study: one self-contained HTML file, which needs no network and no other file.

The file contains all texts and tables, and a description in words for each chart. Its scripts draw the charts from embedded
values, filter by strategy, and copy tables. The modules `charts`, `timelines`, `tables` and `words` define the content, the
style sheet defines the appearance. The page makes no measurements and no conclusions of its own.

Requires the extra ``compare``.
"""

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

from downloader.compare import certainty
from downloader.compare.caveats import uncertain
from downloader.compare.figures import size
from downloader.compare.measurements import Comparison, ResultRow, Study, Sweep
from downloader.compare.page import charts, tables, timelines, words
from downloader.compare.page.series import of_study
from downloader.errors import StorageError
from downloader.extras import require

NEEDED = ("jinja2", "plotly")
SCRIPTS = ("theme.js", "timelines.js", "draw.js", "controls.js")


class Chart(NamedTuple):
    """One chart: its id, its title, its description in words, its plotly figure, and a note."""

    id: str
    title: str
    words: str
    figure: dict[str, Any]
    note: str = ""


class Part(NamedTuple):
    """The section of the page about one scenario, or one sweep.

    ``groups``: charts that are placed side by side, with the table below them. ``contrast``: the time of the slowest strategy
    divided by that of the fastest; 0 if the timeline omits attempts. ``doubt``: why no winner is named, in words.
    """

    id: str
    title: str
    facts: list[str]
    groups: list[tuple[list[Chart], tables.PageTable]]
    isolates: str = ""
    expect: str = ""
    why: Sequence[str] = ()
    warnings: Sequence[str] = ()
    contrast: float = 0.0
    doubt: str = ""

    @property
    def charts(self) -> dict[str, Chart]:
        """The charts by their kind: ``elapsed``, ``timelines`` …"""
        return {chart.id.partition("-")[0]: chart for charts, _ in self.groups for chart in charts}


def check() -> None:
    """Raises UsageError if a package that the page needs is not installed. Fast: call it before the measurement."""
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
    """A page without controls, for the picture: the elapsed times of each scenario, and the most informative timelines."""
    parts = [part for part in _parts(study) if "elapsed" in part.charts]
    timed = [part for part in parts if "timelines" in part.charts]
    telling = max(timed, key=lambda part: part.contrast, default=None)
    drawn = [part.charts["elapsed"] for part in parts] + ([telling.charts["timelines"]] if telling else [])
    return _rendered("still.html", study, parts, drawn, telling=telling)


def _rendered(template: str, study: Study, parts: list[Part], charts_to_draw: list[Chart], **more: Any) -> str:
    check()
    import jinja2
    import plotly.offline

    package_files = files(__package__)
    environment = jinja2.Environment(
        autoescape=True,
        loader=jinja2.FunctionLoader(lambda name: package_files.joinpath(name).read_text("utf-8")),
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
        figures={chart.id: chart.figure for chart in charts_to_draw},
        colours={name: look.colour for name, look in looks.items()},
        style=package_files.joinpath("style.css").read_text("utf-8"),
        script="\n".join(package_files.joinpath(name).read_text("utf-8") for name in SCRIPTS),
        plotly=plotly.offline.get_plotlyjs(),
        **more,
    )
    return text.encode("utf-8", "replace").decode("utf-8")  # the name of a file may contain invalid characters


def _parts(study: Study) -> list[Part]:
    looks = of_study(study)
    parts = [_scenario(f"scenario-{number}", item, looks) for number, item in enumerate(study.comparisons, 1)]
    return parts + [_sweep(f"sweep-{number}", item, looks) for number, item in enumerate(study.sweeps, 1) if item.points]


def _scenario(name: str, item: Comparison, looks: charts.Looks) -> Part:
    def charts_of(*candidates: tuple[str, str, str, dict[str, Any] | None, str]) -> list[Chart]:
        return [Chart(f"{key}-{name}", title, text, figure, note) for key, title, text, figure, note in candidates if figure]

    rows = item.rows
    runs = [timelines.timeline(row) for row in rows if row.stretches]
    pictures: dict[str, Any] = {"timelines": [one.data for one in runs]}
    max_drawn = max((len(one.shown) for one in runs), default=0)
    thinned = any(len(one.shown) < one.total for one in runs)
    thinning_note = (
        f"At most {max_drawn:,} attempts are drawn for each strategy, evenly chosen; those that failed come first."
        if thinned
        else ""
    )
    groups = [
        (
            charts_of(("elapsed", "Elapsed time", words.elapsed(item), charts.elapsed(item, looks), _legend(rows))),
            tables.of_elapsed(item),
        ),
        (
            charts_of(
                ("speedup", "Speed-up against serial", words.speedup(rows), charts.speedup(item, looks), ""),
                ("cpu", "CPU time", words.cpu(rows), charts.cpu(item, looks), "Solid: in user mode; hatched: in the kernel."),
                ("memory", "Peak memory", words.memory(rows), charts.memory(item, looks), "Of the whole process tree."),
            ),
            tables.of_cost(item),
        ),
        (
            charts_of(
                ("first", "To the first byte", words.spreads(rows, "first_byte"), charts.first_byte(item, looks), PERCENTILES),
                ("queue", "In the queue", words.spreads(rows, "queued"), charts.queue(item, looks), PERCENTILES),
            ),
            tables.of_spread(item),
        ),
        (
            charts_of(("timelines", "Timeline", words.timelines(runs), pictures, thinning_note)) if runs else [],
            tables.of_timelines(item.scenario.name, runs),
        ),
    ]
    times = [row.elapsed for row in rows if row.elapsed and not row.peer and not row.failures]
    return Part(
        id=name,
        title=item.scenario.name,
        facts=[*words.facts(item.scenario), *words.certain(item)],
        groups=[group for group in groups if group[0]],
        isolates=item.scenario.isolates,
        expect=item.scenario.expect,
        why=item.why,
        warnings=item.warnings,
        contrast=max(times) / min(times) if times and not thinned else 0.0,
        doubt=words.doubt(item),
    )


def _legend(rows: Sequence[ResultRow]) -> str:
    interval = "range of the runs" if certainty.is_range(rows) else "interval"
    text = f"Bars: medians, with the {interval} of each." if any(row.high for row in rows) else "Bars: medians."
    if any(row.peer for row in rows):
        text += " Hatched: other programs, as they come or with so many connections."
    return text + (" Faint: files failed, so the time is not comparable." if any(row.failures for row in rows) else "")


PERCENTILES = "Circle: median; diamond: 95th percentile; stroke: 99th."


def _sweep(name: str, item: Sweep, looks: charts.Looks) -> Part:
    if item.over == "jobs":
        sweep_charts = [
            Chart(
                f"jobs-{name}", "Speed-up against jobs", words.swept(item, "speed-up"), charts.speedup_against_jobs(item, looks)
            )
        ]
    else:
        sweep_charts = [
            Chart(f"seconds-{name}", "Elapsed time", words.swept(item, "seconds"), charts.seconds_against_files(item, looks)),
            Chart(f"each-{name}", "Cost of each file", words.swept(item, "each"), charts.cost_of_a_file(item, looks)),
        ]
    facts = words.facts(item.scenario)
    facts = facts if item.over == "jobs" else [f"files of {size(item.scenario.size)}", *facts[1:]]
    warnings = uncertain([row for point in item.points for row in point.rows])
    return Part(
        name, f"{item.scenario.name}, against {item.over}", facts, [(sweep_charts, tables.of_sweep(item))], warnings=warnings
    )
