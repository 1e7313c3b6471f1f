"""What the page draws: bars, points, timelines and colours, as values."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from downloader.compare import page
from downloader.compare.measurements import AttemptSpan, ResultRow, Study
from downloader.compare.page import charts, series, timelines
from tests.support.sample_study import MODELS, PEERS

STYLE = (Path(page.__file__).parent / "style.css").read_text()


def test_bars_are_sorted_with_interval_and_bound(study: Study) -> None:
    comparison = study.comparisons[0]
    figure = charts.elapsed(comparison, series.of_study(study))
    assert figure is not None
    rows = {series.label(row): row for row in comparison.rows}
    drawn = [(bar["meta"], bar["x"][0], bar["error_x"]) for bar in figure["data"] if bar["type"] == "bar"]
    assert [name for name, _, _ in drawn] == sorted(rows, key=lambda name: rows[name].elapsed)
    for name, value, interval in drawn:
        assert value == rows[name].elapsed
        assert value + interval["array"][0] == pytest.approx(rows[name].high)
        assert value - interval["arrayminus"][0] == pytest.approx(rows[name].low)
    assert comparison.bound is not None
    assert figure["layout"]["shapes"][0]["x0"] == comparison.bound.seconds


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_intervals_and_bound_stand_out_from_every_bar(study: Study, scheme: str) -> None:
    found = tokens(scheme)
    comparison, looks = study.comparisons[0], series.of_study(study)
    figure = charts.elapsed(comparison, looks)
    faster = charts.speedup(comparison, looks)
    assert figure is not None
    assert faster is not None

    def colour(value: str) -> str:
        return found[value.removeprefix("var(--").removesuffix(")")]

    bars = {bar["meta"]: bar for bar in figure["data"] if bar["type"] == "bar"}
    behind = {colour(bar["marker"]["color"]) for bar in bars.values()} | {found["surface"]}
    assert len(behind) == len(MODELS) + 2
    strokes = [trace for trace in figure["data"] if trace["type"] == "scatter"]
    assert [trace["meta"] for trace in strokes] == [name for name in bars for _ in range(2)]
    lines = [shape["line"] for chart in (figure, faster) for shape in chart["layout"]["shapes"]]
    pairs = [(halo["error_x"], stroke["error_x"]) for halo, stroke in zip(strokes[::2], strokes[1::2], strict=True)]
    pairs = [(halo["color"], halo["thickness"], stroke["color"], stroke["thickness"]) for halo, stroke in pairs]
    pairs += [
        (halo["color"], halo["width"], line["color"], line["width"]) for halo, line in zip(lines[::2], lines[1::2], strict=True)
    ]
    assert len(pairs) == len(bars) + 2
    for halo, outer, stroke, inner in pairs:
        assert outer >= inner + 3  # a pixel and a half at least on each side
        assert contrast(colour(stroke), colour(halo)) >= 3
        assert contrast(colour(stroke), found["surface"]) >= 3
        for bar in behind - {found["surface"]}:
            assert contrast(colour(halo), bar) >= 3, bar


def figures_of(study: Study) -> dict[str, Any]:
    """All that a page draws, by name."""
    text = page.render(study)
    found = re.search(r'<script type="application/json" id="figures">(.*?)</script>', text, re.DOTALL)
    assert found is not None
    figures: dict[str, Any] = json.loads(found[1])["figures"]
    return figures


def test_each_strategy_looks_the_same_everywhere_and_peers_are_hatched(study: Study) -> None:
    figures = figures_of(study)
    theirs = {series.label(row) for row in study.comparisons[0].rows if row.peer}
    assert theirs == {"aria2c", "aria2c 16", "curl", "wget2"}
    seen: dict[str, set[str]] = {}
    for name, figure in figures.items():
        for trace in figure.get("data", []):
            if trace.get("meta") and "color" in trace["marker"]:
                seen.setdefault(trace["meta"], set()).add(trace["marker"]["color"])
                if name.startswith("elapsed"):
                    assert bool(trace["marker"].get("pattern")) == (trace["meta"] in theirs)
    assert {name: len(colours) for name, colours in seen.items()} == dict.fromkeys(seen, 1)
    ours = [min(colours) for name, colours in seen.items() if name not in theirs]
    assert len(set(ours)) == len(ours) == len(MODELS)
    assert len({row.hatch for row in series.of_study(study).values()}) == 1 + len({peer.name for peer in PEERS})


@pytest.mark.parametrize("plugins", [1, 4, 5])
def test_no_plug_in_looks_like_a_built_in_strategy(plugins: int) -> None:
    rows = [ResultRow(name, 1) for name in (*(model.name for model in MODELS), *(f"plug-in {n}" for n in range(plugins)))]
    looks = series.of_rows(rows).values()
    assert len({look.colour for look in looks}) == len({look.symbol for look in looks}) == len(rows)


@given(some.lists(some.sampled_from(["complete", "failed"]), min_size=1, max_size=60), some.integers(4, 30))
def test_thinning_keeps_order_ends_and_mishaps(ends: list[str], most: int) -> None:
    ordered = [AttemptSpan(str(place), 1, "w", place, place, place + 1, end) for place, end in enumerate(ends)]
    kept = timelines.thinned(ordered, most)
    assert len(kept) == min(most, len(ordered))
    assert [item for item in ordered if item in kept] == kept
    bad = [item for item in ordered if item.end == "failed"]
    assert len([item for item in kept if item.end == "failed"]) >= min(len(bad), most // 2)
    if "failed" not in ends:
        assert (kept[0], kept[-1]) == (ordered[0], ordered[-1])


def test_a_retry_waits_since_the_attempt_before_it_ended() -> None:
    tries = [
        AttemptSpan("a", 1, "w", 0.1, 0.2, 0.3, "failed"),
        AttemptSpan("b", 1, "w", 0.4, 0.5, 0.6),
        AttemptSpan("a", 2, "w", 0.7, 0.8, 0.9),
    ]
    data = timelines.timeline(ResultRow("serial", 1, stretches=tries)).data
    assert list(zip(data["file"], data["since"], data["mishap"], strict=True)) == [
        ("a", 0.1, "failed"),
        ("b", 0.1, ""),
        ("a", 0.3, ""),
    ]


@pytest.mark.parametrize(
    ("spans", "most"),
    [([(0, 1), (1, 2), (2, 3)], 1), ([(0, 3), (1, 2), (1.5, 4)], 3), ([(0, 1)], 1)],
)
def test_at_once_counts_what_overlaps(spans: list[tuple[float, float]], most: int) -> None:
    assert timelines.max_in_flight([AttemptSpan("f", 1, "w", start, end, end) for start, end in spans]) == most


def tokens(scheme: str) -> dict[str, str]:
    """The colours of the style sheet in one scheme."""
    light, dark = re.findall(r":root(?::not\(.print, .still\))? \{(.*?)\}", STYLE, re.DOTALL)
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", light + (dark if scheme == "dark" else "")))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_stand_out(scheme: str) -> None:
    found = tokens(scheme)
    for background in ("surface", "band", "raised", "best"):
        assert contrast(found["ink"], found[background]) >= 4.5, background
    for name in ("muted", "accent", "peer"):
        assert contrast(found[name], found["surface"]) >= 4.5, name
    assert contrast(found["muted"], found["band"]) >= 4.5
    assert contrast(found["note-ink"], found["note"]) >= 4.5
    for number in range(1, len(series.SYMBOLS) + 1):
        assert contrast(found[f"series-{number}"], found["surface"]) >= 3, number


def contrast(one: str, other: str) -> float:
    """WCAG 2.2, section 1.4.3."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
