"""The charts as plain values in plotly's format (``data`` and ``layout``), without objects of plotly, sizes or themes.

``meta`` of each trace is the name of its strategy, for the filter of the page. Colours are custom properties of the page
(see `series`), which the page resolves when it draws. ``layout.meta`` contains the height of each bar. Text is escaped,
because plotly interprets markup.
"""

from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any

from downloader.compare import certainty
from downloader.compare.figures import count, ratio, seconds
from downloader.compare.measurements import Comparison, Percentiles, ResultRow, Sweep
from downloader.compare.page import words
from downloader.compare.page.series import Series, label

Figure = dict[str, Any]
Looks = Mapping[str, Series]

INK, GRID, MUTED, SURFACE = "var(--ink)", "var(--rule)", "var(--muted)", "var(--surface)"
LOG_AXIS_RATIO = 20.0
"""The ratio of the largest and the smallest value from which an axis of points is logarithmic. Bars always start at zero."""

FAINT_OPACITY = 0.45
"""The opacity of bars that are not comparable: files failed, or there is no winner because of doubt."""
PERCENTILE_MARKS = {"size": [12, 10, 14], "symbol": ["circle", "diamond", "line-ns-open"]}


def elapsed(comparison: Comparison, looks: Looks) -> Figure | None:
    """A bar for each strategy and peer with the interval of its median, fastest on top; a line shows the lower bound."""
    rows = words.measured(comparison.rows)
    figure = _bars(rows, looks, lambda row: row.elapsed, seconds, "seconds")
    doubt = certainty.doubt(comparison.rows)
    for row, bar in zip(rows, list(figure["data"]), strict=True):
        if row.high:
            bar["error_x"] = _interval(row) | {"visible": False}  # for its range only; `_whiskers` draws it
            figure["data"] += _whiskers(row)
        interval = f", {seconds(row.low)} to {seconds(row.high)}" if row.high else ""
        bar["hovertext"] = f"{_name(row)}: {seconds(row.elapsed)}{interval}, {count(len(row.runs), 'run')}"
        if row.failures:
            bar["text"] = f"{bar['text']} · {row.failures:,} failed"
        if row.failures or doubt:
            bar["opacity"] = FAINT_OPACITY
    if comparison.bound is not None and comparison.bound.seconds:
        text = f"lower bound {seconds(comparison.bound.seconds)}"
        _mark(figure["layout"], comparison.bound.seconds, text, INK)
    return figure if rows else None


def speedup(comparison: Comparison, looks: Looks) -> Figure | None:
    """The speed-up of the rows without failures against serial; None without serial, or if there is doubt."""
    serial = words.reference(comparison.rows)
    rows = [row for row in words.measured(comparison.rows) if not row.failures]
    if serial is None or len(rows) < 2 or certainty.doubt(comparison.rows):
        return None
    figure = _bars(rows, looks, lambda row: serial.elapsed / row.elapsed, lambda value: f"{ratio(value)}×", "times")  # noqa: RUF001
    _mark(figure["layout"], 1.0, "serial = 1", MUTED)
    return figure


def cpu(comparison: Comparison, looks: Looks) -> Figure | None:
    """CPU seconds as stacked bars: in user mode, and in the kernel."""
    rows = sorted(words.measured(comparison.rows), key=lambda row: row.median("cpu"))
    figure = _bars(rows, looks, lambda row: row.median("user"), lambda _: "", "CPU seconds")
    for row in rows:
        look, text = looks[label(row)], seconds(row.median("cpu"))
        pattern = {"shape": "/", "fgcolor": look.colour, "bgcolor": "var(--surface)", "size": 4, "solidity": 0.4}
        marker = {"color": look.colour, "pattern": pattern, "line": {"color": look.colour, "width": 1}}
        trace = _bar(row, row.median("system"), text, marker)
        trace["hovertext"] = f"{_name(row)}: {seconds(row.median('system'))} in the kernel"
        figure["data"].append(trace)
    for row, bar in zip(rows, figure["data"], strict=False):
        bar["hovertext"] = f"{_name(row)}: {seconds(row.median('user'))} in user mode"
    figure["layout"]["barmode"] = "stack"
    return figure if rows else None


def memory(comparison: Comparison, looks: Looks) -> Figure | None:
    """The peak memory of the whole process tree."""
    rows = sorted(words.measured(comparison.rows), key=lambda row: row.peak)
    return _bars(rows, looks, lambda row: row.peak / 1e6, lambda value: f"{value:,.0f} MB", "MB") if rows else None


def first_byte(comparison: Comparison, looks: Looks) -> Figure | None:
    """The percentiles of the time to the first byte; None without a traced run."""
    return _percentiles(comparison.rows, looks, lambda row: row.first_byte)


def queue(comparison: Comparison, looks: Looks) -> Figure | None:
    """The percentiles of the time in the queue; None without a traced run."""
    return _percentiles(comparison.rows, looks, lambda row: row.queued)


def speedup_against_jobs(sweep: Sweep, looks: Looks) -> Figure:
    """The speed-up of each strategy against its time with the first number of jobs, and a line of ideal scaling."""
    first = {label(row): row.elapsed for row in sweep.points[0].rows}
    figure = _lines(
        sweep, looks, lambda row, _: first[label(row)] / row.elapsed if first.get(label(row)) else None, "times as fast"
    )
    values = [point.value for point in sweep.points]
    ideal = {"x": values, "y": [value / values[0] for value in values], "type": "scatter", "mode": "lines", "hoverinfo": "skip"}
    figure["data"].append({**ideal, "name": "ideal", "line": {"color": MUTED, "dash": "dot", "width": 1.5}})
    return figure


def seconds_against_files(sweep: Sweep, looks: Looks) -> Figure:
    """The elapsed time against the number of files."""
    return _lines(sweep, looks, lambda row, _: row.elapsed, "seconds")


def cost_of_a_file(sweep: Sweep, looks: Looks) -> Figure:
    """The microseconds per file against the number of files."""
    return _lines(sweep, looks, lambda row, value: 1e6 * row.elapsed / value, "µs for each file")


def _name(row: ResultRow) -> str:
    return escape(label(row), quote=False)


def _bar(row: ResultRow, value: float, text: str, marker: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "bar",
        "orientation": "h",
        "meta": label(row),
        "name": _name(row),
        "y": [_name(row)],
        "x": [value],
        "text": text,
        "textposition": "none",  # the page writes the text behind the interval
        "hovertext": f"{_name(row)}: {text}",
        "hoverinfo": "text",
        "marker": marker,
    }


def _interval(row: ResultRow) -> dict[str, Any]:
    """The distances from the median to both ends of its interval, in plotly's format."""
    above, below = max(0.0, row.high - row.elapsed), max(0.0, row.elapsed - row.low)
    return {"type": "data", "array": [above], "arrayminus": [below]}


def _whiskers(row: ResultRow) -> list[dict[str, Any]]:
    """The interval of a row, visible on any colour: a stroke in ink on a wider stroke in the colour of the background."""
    trace = {
        "type": "scatter",
        "mode": "markers",
        "meta": label(row),
        "x": [row.elapsed],
        "y": [_name(row)],
        "hoverinfo": "skip",
        "marker": {"opacity": 0, "size": 1},
    }
    return [
        {**trace, "error_x": _interval(row) | {"color": colour, "thickness": thickness, "width": width}}
        for colour, thickness, width in ((SURFACE, 5.5, 8), (INK, 1.8, 6))
    ]


def _bars(
    rows: Sequence[ResultRow], looks: Looks, value: Callable[[ResultRow], float], text: Callable[[float], str], unit: str
) -> Figure:
    data = [_bar(row, value(row), text(value(row)), looks[label(row)].fill) for row in rows]
    return {"data": data, "layout": _layout(unit, rows)}


def _layout(unit: str, rows: Sequence[ResultRow]) -> dict[str, Any]:
    return {
        "meta": {"kind": "bars", "each": 34, "frame": 64},
        "bargap": 0.34,
        "xaxis": {"title": {"text": unit}, "rangemode": "tozero"},
        "yaxis": {"autorange": "reversed", "type": "category", "categoryarray": [_name(row) for row in rows]},
        "shapes": [],
        "annotations": [],
    }


def _mark(layout: dict[str, Any], value: float, text: str, colour: str) -> None:
    """Add a dashed line across all bars, on a wider line in the colour of the background, with a text above it."""
    position: dict[str, Any] = {"type": "line", "x0": value, "x1": value, "yref": "paper", "y0": 0, "y1": 1}
    layout["shapes"].append({**position, "line": {"color": SURFACE, "width": 5}})
    layout["shapes"].append({**position, "line": {"color": colour, "width": 1.8, "dash": "dash"}})
    position = {"x": value, "yref": "paper", "y": 1, "yanchor": "bottom", "xanchor": "left", "xshift": -4}
    layout["annotations"].append({"text": text, "showarrow": False, "font": {"color": colour}, **position})
    layout["meta"]["at_least"] = value


def _percentiles(rows: Sequence[ResultRow], looks: Looks, of: Callable[[ResultRow], Percentiles]) -> Figure | None:
    traced = sorted((row for row in rows if row.stretches), key=lambda row: of(row).p50)
    if not traced:
        return None
    values = [value for row in traced for value in of(row)]
    unit, scale = ("seconds", 1.0) if max(values) > 0.5 else ("ms", 1e3)
    layout = _layout(unit, traced)
    layout["meta"] |= {"kind": "points", "each": 30}
    data = [_points(row, of(row), looks[label(row)], scale) for row in traced]
    if min(values) > 0 and max(values) > LOG_AXIS_RATIO * min(values):
        layout["xaxis"]["type"] = "log"
    return {"data": data, "layout": layout}


def _points(row: ResultRow, percentiles: Percentiles, look: Series, scale: float) -> dict[str, Any]:
    values = zip(("median", "95th percentile", "99th percentile"), percentiles, strict=True)
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "meta": label(row),
        "name": _name(row),
        "x": [value * scale for value in percentiles],
        "y": [_name(row)] * 3,
        "hovertext": [f"{_name(row)}: {which} {seconds(value)}" for which, value in values],
        "hoverinfo": "text",
        "line": {"color": look.colour, "width": 2},
        "marker": {
            "opacity": 1,
            "color": look.colour,
            **PERCENTILE_MARKS,
            "line": {"width": [0, 0, 2.5], "color": look.colour},
        },
    }


def _lines(sweep: Sweep, looks: Looks, of: Callable[[ResultRow, int], float | None], unit: str) -> Figure:
    names = list(dict.fromkeys(label(row) for point in sweep.points for row in point.rows))
    data = [_line(name, sweep, looks[name], of, unit) for name in names]
    values = [point.value for point in sweep.points]
    scale = "log" if min(values) > 0 else "linear"
    across = {"title": {"text": sweep.over}, "type": scale, "tickvals": values, "ticktext": [f"{value:,}" for value in values]}
    layout = {"meta": {"kind": "lines"}, "xaxis": across, "yaxis": {"title": {"text": unit}, "type": "log"}}
    return {"data": data, "layout": layout}


def _line(name: str, sweep: Sweep, look: Series, of: Callable[[ResultRow, int], float | None], unit: str) -> dict[str, Any]:
    rows = [(point.value, row) for point in sweep.points for row in point.rows if label(row) == name and row.elapsed]
    points = [(value, y) for value, row in rows if (y := of(row, value)) is not None]
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "meta": name,
        "name": escape(name, quote=False),
        "x": [value for value, _ in points],
        "y": [y for _, y in points],
        "hovertext": [f"{escape(name, quote=False)}, {value:,} {sweep.over}: {y:.3g} {unit}" for value, y in points],
        "hoverinfo": "text",
        "line": {"color": look.colour, "width": 2, "dash": "dash" if look.peer else "solid"},
        "marker": {"color": look.colour, "size": 8, "symbol": look.symbol},
    }
