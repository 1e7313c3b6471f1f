"""The flags of `dl`, made from the fields of `Settings`, so that each is said once."""

from collections.abc import Callable
from typing import Any

import click
from click.shell_completion import CompletionItem

from downloader.settings.definitions import Field, fields
from downloader.settings.values import Form, WrongValue, read

GROUPS: dict[str, tuple[str, ...]] = {
    "What runs": (
        *("strategy", "jobs", "per_host", "segments", "min_segment_size", "aggressive"),
        *("wait", "max_requests_per_second", "obey_robots", "limit_rate", "limit_rate_per_host", "fail_fast"),
    ),
    "Files": (
        *("dir", "keep_paths", "cut_dirs", "on_exists", "on_full", "content_disposition", "mtime"),
        *("max_size", "min_size", "expect_type", "checksums", "require_checksums", "process"),
    ),
    "Trying again": (
        *("retries", "retry_on", "host_failures", "retry_wait", "max_retry_after", "connect_timeout"),
        *("timeout", "low_speed_limit", "low_speed_time", "grace"),
    ),
    "Requests": (
        *("header", "user_agent", "user", "bearer_env", "netrc", "netrc_file", "cookies", "proxy", "http_version"),
        *("cacert", "cert", "key", "insecure", "allow_downgrade", "max_redirects"),
    ),
    "What is told": ("progress", "quiet", "verbose", "log_file", "report", "failed", "trace"),
    "Lists": ("skip_bad_lines",),
}
_SAID_AS_NO = {"mtime": "keep the local time"}


def settings_options() -> list[click.Option]:
    """An option for each setting, and a hidden ``--no-…`` for each switch. Values land in ``ctx.obj``, only if given."""
    by_name = {item.name: item for item in fields()}
    found: list[click.Option] = []
    for title, names in GROUPS.items():
        for name in names:
            found += _options(by_name[name], title)
            if name == "http_version":
                found += _versions(by_name[name], title)
    return found


def _versions(item: Field, heading: str) -> list["GroupedOption"]:
    """``--http1.1``, ``--http2``, ``--http3``, as curl has them."""
    found = []
    for version in item.choices[1:]:
        option = GroupedOption(
            [f"version_{version.replace('.', '_')}", f"--http{version}"],
            is_flag=True,
            expose_value=False,
            callback=_record(item.name, version),
            help=f"the same as --http-version {version}",
        )
        option.heading = heading
        found.append(option)
    return found


class GroupedOption(click.Option):
    """An option that knows below which heading it stands, and what its values may be."""

    heading = ""
    choices: tuple[str, ...] = ()

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem[str]]:
        """What a shell may complete the value to."""
        kind = {"FILE": "file", "DIR": "dir"}.get(self.metavar or "")
        if kind is not None:
            return [CompletionItem(incomplete, type=kind)]
        if "--strategy" in self.opts:
            from downloader.strategies.registry import names  # here: only a shell needs them

            return [CompletionItem(name) for name in names() if name.startswith(incomplete)]
        if self.choices:
            return [CompletionItem(name) for name in self.choices if name.startswith(incomplete)]
        return super().shell_complete(ctx, incomplete)


def read_as(form: Form) -> Callable[[click.Context, click.Parameter, str | None], Any]:
    """A callback that reads a value, for options that are no settings."""

    def callback(context: click.Context, parameter: click.Parameter, value: str | None) -> Any:
        try:
            return None if value is None else read(form, value, text=True)
        except WrongValue as error:
            raise click.BadParameter(str(error)) from None

    return callback


def list_argument(metavar: str) -> click.Argument:
    """The LISTs, of which a shell completes files."""

    def files(context: click.Context, parameter: click.Parameter, text: str) -> list[CompletionItem[str]]:
        return [CompletionItem(text, type="file")]

    return click.Argument(["lists"], metavar=metavar, nargs=-1, shell_complete=files)


def _options(item: Field, heading: str) -> list[click.Option]:
    flag = f"--{item.key}"
    if item.kind is bool:
        usual = _switch(item, not item.default, f"--no-{item.key}" if item.default else flag, hidden=False)
        other = _switch(item, bool(item.default), flag if item.default else f"--no-{item.key}", hidden=True)
        usual.heading = heading
        return [usual, other]
    default = "" if item.many or item.default == "" else f"  [{'auto' if item.auto and not item.default else item.default}]"
    option = GroupedOption(
        [item.name, flag, *([item.short] if item.short else [])],
        type=str,  # `downloader.settings.values` reads all of them, and has the words for what is wrong
        metavar="|".join(item.choices) or item.unit or None,
        multiple=item.many,
        default=None,
        expose_value=False,
        callback=_record(item.name),
        help=item.help + default,
    )
    option.heading = heading
    option.choices = item.choices
    return [option]


def _switch(item: Field, value: bool, flag: str, hidden: bool) -> GroupedOption:
    shorts = [item.short] if item.short and not hidden else []
    return GroupedOption(
        [f"{'other' if hidden else 'given'}_{item.name}", flag, *shorts],
        is_flag=True,
        expose_value=False,
        hidden=hidden,
        callback=_record(item.name, value),
        help=_SAID_AS_NO.get(item.name, item.help),
    )


def _record(name: str, constant: bool | str | None = None) -> Callable[[click.Context, click.Parameter, Any], None]:
    def callback(context: click.Context, parameter: click.Parameter, value: Any) -> None:
        if value is None or value is False or value == ():
            return
        given: dict[str, Any] = context.ensure_object(dict)
        given[name] = value if constant is None else constant

    return callback


class GroupedCommand(click.Command):
    """A command whose help shows its options below headings."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write them."""
        for heading, options in self.grouped(ctx):
            with formatter.section(heading):
                formatter.write_dl([record for option in options if (record := option.get_help_record(ctx))])

    def grouped(self, ctx: click.Context) -> list[tuple[str, list[click.Option]]]:
        """The options that are shown, by heading; what has no heading goes last."""
        rows: dict[str, list[click.Option]] = {}
        for option in self.get_params(ctx):
            if isinstance(option, click.Option) and not option.hidden:
                rows.setdefault(getattr(option, "heading", ""), []).append(option)
        ordered = sorted(rows.items(), key=lambda row: row[0] == "")  # stable
        return [(heading or "Also", options) for heading, options in ordered]
