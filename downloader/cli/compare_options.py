"""The options of `dl compare`, and what their values are made of."""

from typing import Any

import click

from downloader.cli.options import GroupedOption, read_as
from downloader.compare.scenarios import SCENARIOS, USUAL
from downloader.compare.servers import KINDS
from downloader.settings.values import Form
from downloader.testserver import faults
from downloader.testserver.errors import WrongQuery

BUDGET = 12.0
"""Seconds for the rounds of each scenario, where their number was not given."""

USUAL_SHARE = 0.1
FAULTS = ", ".join(("503", "429", *faults.KINDS))


Range = tuple[str, tuple[int, ...]]


def _faults(context: click.Context, parameter: click.Parameter, value: str | None) -> tuple[str, float] | None:
    """``503,cut:0.2``: kinds of faults, and the share of the requests that meet one."""
    if value is None:
        return None
    kinds, colon, share = value.partition(":")
    try:
        number = float(share) if colon else USUAL_SHARE
    except ValueError:
        number = -1.0
    if not 0 <= number <= 1:
        raise click.BadParameter(f"the share is no number from 0 to 1: {share!r}")
    try:
        found = faults.kinds(kinds)
    except WrongQuery as error:
        raise click.BadParameter(str(error).removeprefix("fail: ")) from None
    if not found:
        raise click.BadParameter(f"give some of {FAULTS}")
    return ",".join(found), number


def _sweeps(context: click.Context, parameter: click.Parameter, value: tuple[str, ...]) -> tuple[Range, ...]:
    """``jobs=1,2,4``: what each sweep goes over, and its values."""
    found = []
    for text in value:
        over, _, numbers = text.partition("=")
        try:
            values = tuple(sorted({int(number) for number in numbers.split(",")}))
        except ValueError:
            values = ()
        if over not in ("jobs", "files") or not values or values[0] < 1:
            raise click.BadParameter(f"expected jobs=1,2,4 or files=10,100,1000, got {text!r}")
        found.append((over, values))
    return tuple(found)


def _names(context: click.Context, parameter: click.Parameter, value: tuple[str, ...]) -> tuple[str, ...]:
    """``a,b``: names, each once, in the order in which they were given."""
    found = [name.strip() for text in value for name in text.split(",")]
    if not all(found):
        raise click.BadParameter("expected names with a comma between two, as serial,threads")
    return tuple(dict.fromkeys(found))


def options() -> list[click.Option]:
    """All of them, below their headings."""
    return [*_work(), *_how(), *_told()]


def _work() -> list[click.Option]:
    one, size = read_as(Form("whole", minimum=1)), read_as(Form("size", minimum=0))
    known = ", ".join(scenario.name for scenario in SCENARIOS)
    work = "What is compared"
    return [
        _option(
            work,
            "names",
            "-s",
            "--strategy",
            metavar="NAME,…",
            callback=_names,
            multiple=True,
            help="only these strategies; may be repeated",
        ),
        _option(
            work,
            "chosen",
            "--scenario",
            metavar="NAME,…",
            callback=_names,
            multiple=True,
            help=f"{known}, or all; may be repeated  [{', '.join(USUAL)}]",
        ),
        _option(work, "--files", metavar="N", callback=one, help="a scenario of your own: so many files"),
        _option(work, "--size", metavar="SIZE", callback=size, help="… of this size"),
        _option(
            work,
            "--latency",
            metavar="TIME",
            callback=read_as(Form("time", minimum=0, maximum=60)),
            help="… so long until the first byte of each",
        ),
        _option(work, "--rate", metavar="SIZE", callback=size, help="… so many bytes a second for each connection"),
        _option(
            work,
            "--fail",
            metavar="KINDS[:SHARE]",
            callback=_faults,
            help=f"… where a share of the requests meets one of {FAULTS}  [{USUAL_SHARE}]",
        ),
        _option(work, "--peers", is_flag=True, help="also aria2c, curl, wget2 and axel, where they are installed"),
        _option(
            work,
            "sweeps",
            "--sweep",
            metavar="jobs|files=N,N,…",
            callback=_sweeps,
            multiple=True,
            help="how the figures change with the number of jobs, or of files",
        ),
    ]


def _how() -> list[click.Option]:
    one, how = read_as(Form("whole", minimum=1)), "How it is measured"
    return [
        _option(how, "-j", "--jobs", metavar="N", callback=one, help="in flight at most, for all  [each strategy's own]"),
        _option(how, "--repeat", metavar="N", callback=one, help="so many rounds  [until the medians are known to 5 %]"),
        _option(
            how,
            "--budget",
            metavar="TIME",
            type=str,
            callback=read_as(Form("time", minimum=0)),
            default=f"{BUDGET:g}",
            help=f"time for each scenario's rounds, of which there are 3 at least  [{BUDGET:g}]",
        ),
        _option(
            how,
            "--server",
            metavar="|".join(KINDS),
            callback=read_as(Form("choice", choices=KINDS)),
            default=KINDS[0],
            choices=KINDS,
            help="nginx moves large bodies faster  [built-in]",
        ),
        _option(how, "where", "-d", "--dir", metavar="DIR", help="put the files below this folder  [memory, else temporary]"),
    ]


def _told() -> list[click.Option]:
    told = "What is told"
    return [
        _option(told, "--timeline", is_flag=True, help="draw when each file waited, started and ended"),
        _option(told, "--html", metavar="FILE", help="write a page with all of it, for a browser"),
        _option(told, "--png", metavar="FILE", help="write a picture of the most telling charts"),
        _option(told, "--json", metavar="FILE", help="write every figure of every run; -: to standard output"),
        _option(told, "--csv", metavar="FILE", help="write a line for each run; -: to standard output"),
    ]


def _option(heading: str, *names: str, choices: tuple[str, ...] = (), **about: Any) -> GroupedOption:
    option = GroupedOption(list(names), **about)
    option.heading = heading
    option.choices = choices
    return option
