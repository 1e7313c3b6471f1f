"""What the settings mean for the names of files."""

from typing import TYPE_CHECKING

from downloader.core.names.namer import MAX_FANOUT, Namer
from downloader.errors import UsageError
from downloader.settings.definitions import Settings

if TYPE_CHECKING:
    from downloader.core.names.templates import Template


def template_for(settings: Settings) -> "Template | None":
    """The template of file names, if the settings give one. Raises UsageError."""
    if not settings.name:
        return None
    from downloader.core.names.templates import Template  # here: few runs need it

    if settings.keep_paths:
        raise UsageError(
            "--name and --keep-paths cannot be combined",
            hint="--name '{host}/{path}/{name}' keeps the paths; --name '' is no template",
        )
    return Template(settings.name)


def namer_for(settings: Settings, template: "Template | None") -> Namer:
    """What gives each file its path. Raises UsageError."""
    if settings.cut_dirs and not settings.keep_paths:
        raise UsageError("--cut-dirs needs --keep-paths")
    if settings.fanout > MAX_FANOUT:
        raise UsageError("--fanout: must be 0, 1 or 2", hint="1: 256 folders; 2: 65,536 folders")
    return Namer(
        cut_dirs=settings.cut_dirs if settings.keep_paths else None,
        render=template.path_of if template is not None else None,
        asks_server=settings.content_disposition and (template is None or template.uses_name),
        flatten=settings.flatten,
        fanout=settings.fanout,
    )
