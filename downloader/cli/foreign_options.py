"""Options of curl, wget and aria2 that `dl` does not have, and how `dl` is told the same thing.

Only words that are no options of `dl` are looked up here: an option that is added later needs no change in this file.
"""

_NAMED = "files are named after their URLs; -o NAME names the file of a single URL"
_RESUMES = "dl always resumes what an earlier run began, and skips what is complete"
_LIST = "give the list itself: dl FILE"
_INSECURE = "--insecure does not verify certificates"
_REDIRECTS = "redirects are followed; --max-redirects N sets how many"
_AGENT = "--user-agent TEXT sets the User-Agent"
_USER = "--user NAME sends a user and a password"
_COOKIES = "--cookies FILE sends the cookies of a file in Netscape's format; -H 'Cookie: NAME=VALUE' sends one"
_REFERER = "-H 'Referer: URL' sends it"
_DIR = "-d DIR sets the folder"
_RETRIES = "-r N sets the tries after the first"
_TIMEOUT = "--timeout TIME limits each attempt; --connect-timeout and --low-speed-time limit the waits in it"
_WAIT = "--wait TIME pauses between requests to one host"
_SKIPS = "files that are there are skipped; --on-exists says what else to do"
_REFRESH = "--on-exists refresh fetches a file again where the server has a newer one"
_QUIET = "-q says nothing but errors; --progress none hides the progress alone"
_JOBS = "-j N sets how many requests run at once"
_PER_HOST = "--per-host N sets how many requests run at one host"
_SEGMENTS = "--segments N fetches each file in up to N parts at a time"
_RATE = "--limit-rate SIZE limits the whole run, --limit-rate-per-host SIZE each host"
_RECURSIVE = "dl follows no links: it fetches the URLs of its lists"
_PATHS = "-o NAME names the file of a single URL; out= and dir= in a list name each file"
_MADE = "missing folders are made"
_FAILS = "an HTTP status of 400 or more always fails the file, and sets the exit code"
_PROXY = "--proxy URL sets the proxy; the environment's http_proxy and no_proxy are obeyed"
_GET = "dl sends GET requests only"
_DISPOSITION = "--content-disposition lets the server name the file"
_LOG = "--log-file FILE writes what -v says to a file"
_CHECKSUM = "--checksums FILE verifies every file; checksum=sha-256=DIGEST in a list verifies one"
_CERT = "--cert FILE and --key FILE give a certificate of your own, --cacert FILE says whom to trust"
_FAMILY = "dl takes the address family that answers first"
_COMPRESSED = "files are stored as the server has them, not compressed for the transfer"
_MTIME = "files get the server's time; --no-mtime keeps the local time"

FOREIGN_OPTIONS = {
    # short options
    "-4": _FAMILY,
    "-6": _FAMILY,
    "-A": _AGENT,
    "-C": _RESUMES,
    "-E": _CERT,
    "-F": _GET,
    "-I": "--dry-run prints what would be fetched",
    "-J": _DISPOSITION,
    "-K": "--config FILE reads settings",
    "-L": _REDIRECTS,
    "-N": _REFRESH,
    "-O": _NAMED,
    "-P": _DIR,
    "-R": _MTIME,
    "-S": "-v says what happens to each file, and errors are always told",
    "-T": _TIMEOUT,
    "-U": _AGENT,
    "-V": "--version prints the version",
    "-X": _GET,
    "-Z": "files are always fetched in parallel; -j N sets how many at once",
    "-a": _LOG,
    "-b": _COOKIES,
    "-c": _RESUMES,
    "-e": _REFERER,
    "-f": _FAILS,
    "-i": _LIST,
    "-k": _INSECURE,
    "-m": _TIMEOUT,
    "-n": "--netrc takes users and passwords from ~/.netrc",
    "-nH": _PATHS,
    "-nc": _SKIPS,
    "-nd": _PATHS,
    "-np": _RECURSIVE,
    "-nv": _QUIET,
    "-p": _RECURSIVE,
    "-t": _RETRIES,
    "-u": _USER,
    "-w": _WAIT,
    "-z": _REFRESH,
    # curl
    "--cookie": _COOKIES,
    "--compressed": _COMPRESSED,
    "--continue-at": _RESUMES,
    "--create-dirs": _MADE,
    "--data": _GET,
    "--fail": _FAILS,
    "--globoff": "URLs are taken as they are",
    "--head": "--dry-run prints what would be fetched",
    "--location": _REDIRECTS,
    "--max-filesize": "--max-size SIZE refuses larger files",
    "--max-redirs": _REDIRECTS,
    "--max-time": _TIMEOUT,
    "--netrc-optional": "--netrc takes users and passwords from ~/.netrc",
    "--no-progress-meter": "--progress none hides the progress",
    "--oauth2-bearer": "--bearer-env VARIABLE sends the token that is in an environment variable",
    "--output-dir": _DIR,
    "--parallel": "files are always fetched in parallel; -j N sets how many at once",
    "--parallel-immediate": _JOBS,
    "--parallel-max": _JOBS,
    "--progress-bar": "--progress bar shows bars",
    "--rate": _WAIT,
    "--remote-header-name": _DISPOSITION,
    "--remote-name": _NAMED,
    "--remote-name-all": _NAMED,
    "--remote-time": _MTIME,
    "--request": _GET,
    "--retry": _RETRIES,
    "--retry-delay": "--retry-wait TIME sets the first pause",
    "--retry-max-time": "-r N sets the tries after the first, --retry-wait TIME the first pause",
    "--show-error": "errors are always told",
    "--silent": _QUIET,
    "--speed-limit": "--low-speed-limit SIZE sets what counts as a stall",
    "--speed-time": "--low-speed-time TIME sets what counts as a stall",
    "--time-cond": _REFRESH,
    "--url": "give the URL itself: dl URL",
    # wget and wget2
    "--accept": _RECURSIVE,
    "--append-output": _LOG,
    "--backups": "--on-exists rename keeps the old file and gives the new one another name",
    "--ca-certificate": "--cacert FILE says whom to trust",
    "--certificate": _CERT,
    "--continue": _RESUMES,
    "--directory-prefix": _DIR,
    "--dns-timeout": "--connect-timeout TIME limits the time for a connection, the look-up of its name included",
    "--force-directories": _PATHS,
    "--http-password": _USER,
    "--http-user": _USER,
    "--input-file": _LIST,
    "--level": _RECURSIVE,
    "--load-cookies": "--cookies FILE sends the cookies of a file in Netscape's format",
    "--max-threads": _JOBS,
    "--mirror": _RECURSIVE,
    "--no-check-certificate": _INSECURE,
    "--no-clobber": _SKIPS,
    "--no-directories": _PATHS,
    "--no-host-directories": _PATHS,
    "--no-parent": _RECURSIVE,
    "--output-document": "-o NAME names the file of a single URL",
    "--output-file": _LOG,
    "--page-requisites": _RECURSIVE,
    "--password": _USER,
    "--private-key": _CERT,
    "--random-wait": _WAIT,
    "--read-timeout": "--low-speed-time TIME ends a transfer that stands still",
    "--recursive": _RECURSIVE,
    "--referer": _REFERER,
    "--server-response": "-v says what happens to each file",
    "--show-progress": "--progress bar shows bars",
    "--spider": "--dry-run prints what would be fetched",
    "--timestamping": _REFRESH,
    "--tries": _RETRIES,
    "--trust-server-names": _DISPOSITION,
    "--waitretry": "--retry-wait TIME sets the first pause",
    # aria2
    "--all-proxy": _PROXY,
    "--allow-overwrite": "--on-exists overwrite fetches a file that is there again",
    "--always-resume": _RESUMES,
    "--auto-file-renaming": "--on-exists rename keeps the old file and gives the new one another name",
    "--check-certificate": "certificates are verified; --insecure does not verify them",
    "--check-integrity": _CHECKSUM,
    "--checksum": _CHECKSUM,
    "--conditional-get": _REFRESH,
    "--conf-path": "--config FILE reads settings",
    "--http-passwd": _USER,
    "--http-proxy": _PROXY,
    "--https-proxy": _PROXY,
    "--log": _LOG,
    "--lowest-speed-limit": "--low-speed-limit SIZE sets what counts as a stall",
    "--max-concurrent-downloads": _JOBS,
    "--max-connection-per-server": _PER_HOST,
    "--max-download-limit": _RATE,
    "--max-overall-download-limit": _RATE,
    "--max-tries": _RETRIES,
    "--min-split-size": "--min-segment-size SIZE sets the least size of a part",
    "--out": "-o NAME names the file of a single URL; out= in a list names each file",
    "--remote-time-stamp": _MTIME,
    "--save-session": "--failed FILE writes what failed, as a list to be fed back",
    "--split": _SEGMENTS,
    "--summary-interval": "--progress plain says every 5 s how it goes",
}
"""An option as its users write it, and the sentence that answers it."""


def answer(option: str, words: list[str]) -> tuple[str, str] | None:
    """What was meant and the sentence for it, for an ``option`` that `dl` does not have; None where nothing is known.

    ``words``: the command line, for short options of two letters (wget's ``-nc``), of which a parser names the first.
    """
    longer = [word for word in words if len(word) == 3 and word[:2] == option and word in FOREIGN_OPTIONS]
    for found in (*longer, option):
        if found in FOREIGN_OPTIONS:
            return found, FOREIGN_OPTIONS[found]
    return None
