"""Options of curl, wget and aria2 that `dl` does not have, each with the option of `dl` that does the same.

Only options that `dl` does not have are looked up here: an option that `dl` gets later needs no change in this file.
"""

_NAMED = "files are named after their URLs; -o NAME names the file of a single URL"
_RESUMES = "dl always resumes incomplete files, and skips complete files"
_LIST = "give the list itself: dl FILE"
_INSECURE = "--insecure does not verify certificates"
_REDIRECTS = "redirects are followed; --max-redirects N sets how many"
_AGENT = "--user-agent TEXT sets the User-Agent"
_USER = "--user NAME sends a user name and a password"
_COOKIES = "--cookies FILE sends the cookies of a file in Netscape format; -H 'Cookie: NAME=VALUE' sends one cookie"
_REFERER = "-H 'Referer: URL' sends the header"
_DIR = "-d DIR sets the folder"
_RETRIES = "-r N sets the number of retries"
_TIMEOUT = "--timeout TIME limits each attempt; --connect-timeout and --low-speed-time limit the waits within an attempt"
_WAIT = "--wait TIME pauses between two requests to one host"
_SKIPS = "existing files are skipped; --on-exists sets what else to do"
_REFRESH = "--on-exists refresh fetches a file again if the server has a newer version"
_QUIET = "-q prints only errors; --progress none hides only the progress"
_JOBS = "-j N sets the number of parallel requests"
_PER_HOST = "--per-host N sets the number of parallel requests per host"
_SEGMENTS = "--segments N fetches each file in up to N parallel parts"
_RATE = "--limit-rate SIZE limits the whole run, --limit-rate-per-host SIZE limits each host"
_RECURSIVE = "dl follows no links: it fetches only the URLs of its lists"
_PATHS = "-o NAME names the file of a single URL; out= and dir= in a list name each file"
_MADE = "missing folders are created"
_FAILS = "a file with an HTTP status of 400 or more always counts as failed, and the exit code says so"
_PROXY = "--proxy URL sets the proxy; the environment's http_proxy and no_proxy are obeyed"
_GET = "dl sends GET requests only"
_DISPOSITION = "--content-disposition lets the server name the file"
_LOG = "--log-file FILE writes the log of -v to a file"
_CHECKSUM = "--checksums FILE verifies every file; checksum=sha-256=DIGEST in a list verifies one file"
_CERT = "--cert FILE and --key FILE set the client certificate, --cacert FILE sets the trusted authorities"
_FAMILY = "dl uses the address family that answers first"
_COMPRESSED = "dl requests files without compression, and stores the bytes that the server sends"
_MTIME = "files get the modification time of the server; --no-mtime keeps the local time"

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
    "-S": "-v logs what happens to each file, and errors are always printed",
    "-T": _TIMEOUT,
    "-U": _AGENT,
    "-V": "--version prints the version",
    "-X": _GET,
    "-Z": "files are always fetched in parallel; -j N sets how many",
    "-a": _LOG,
    "-b": _COOKIES,
    "-c": _RESUMES,
    "-e": _REFERER,
    "-f": _FAILS,
    "-i": _LIST,
    "-k": _INSECURE,
    "-m": _TIMEOUT,
    "-n": "--netrc reads user names and passwords from ~/.netrc",
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
    "--globoff": "URLs are always used as written",
    "--head": "--dry-run prints what would be fetched",
    "--location": _REDIRECTS,
    "--max-filesize": "--max-size SIZE refuses larger files",
    "--max-redirs": _REDIRECTS,
    "--max-time": _TIMEOUT,
    "--netrc-optional": "--netrc reads user names and passwords from ~/.netrc",
    "--no-progress-meter": "--progress none hides the progress",
    "--noproxy": "the environment variable no_proxy lists the hosts without a proxy",
    "--oauth2-bearer": "--bearer-env VARIABLE sends the token in an environment variable",
    "--output-dir": _DIR,
    "--parallel": "files are always fetched in parallel; -j N sets how many",
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
    "--retry-delay": "--retry-wait TIME sets the wait before the first retry",
    "--retry-max-time": "-r N sets the number of retries, --retry-wait TIME sets the wait before the first one",
    "--show-error": "errors are always printed",
    "--silent": _QUIET,
    "--speed-limit": "--low-speed-limit SIZE sets what counts as a stall",
    "--speed-time": "--low-speed-time TIME sets what counts as a stall",
    "--time-cond": _REFRESH,
    "--url": "give the URL itself: dl URL",
    # wget and wget2
    "--accept": _RECURSIVE,
    "--append-output": _LOG,
    "--backups": "--on-exists rename keeps the old file and gives the new one another name",
    "--ca-certificate": "--cacert FILE sets the trusted authorities",
    "--certificate": _CERT,
    "--continue": _RESUMES,
    "--directory-prefix": _DIR,
    "--dns-timeout": "--connect-timeout TIME limits the time for name resolution and connection",
    "--force-directories": _PATHS,
    "--http-password": _USER,
    "--http-user": _USER,
    "--input-file": _LIST,
    "--level": _RECURSIVE,
    "--load-cookies": "--cookies FILE sends the cookies of a file in Netscape format",
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
    "--read-timeout": "--low-speed-time TIME aborts a transfer that is stalled",
    "--recursive": _RECURSIVE,
    "--referer": _REFERER,
    "--server-response": "-v logs what happens to each file",
    "--show-progress": "--progress bar shows bars",
    "--no-proxy": "the environment variable no_proxy lists the hosts without a proxy; * is every host",
    "--spider": "--dry-run prints what would be fetched",
    "--timestamping": _REFRESH,
    "--tries": _RETRIES,
    "--trust-server-names": _DISPOSITION,
    "--waitretry": "--retry-wait TIME sets the wait before the first retry",
    # aria2
    "--all-proxy": _PROXY,
    "--allow-overwrite": "--on-exists overwrite fetches existing files again",
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
    "--min-split-size": "--min-segment-size SIZE sets the minimum size of a part",
    "--out": "-o NAME names the file of a single URL; out= in a list names each file",
    "--remote-time-stamp": _MTIME,
    "--save-session": "--failed FILE writes the entries that failed, as a list for another run",
    "--split": _SEGMENTS,
    "--summary-interval": "--progress plain prints a line every 5 s",
}
"""The answer to each option of another tool, by the option as the users of that tool write it."""


def answer(option: str, words: list[str]) -> tuple[str, str] | None:
    """The option that the user meant, and the answer to it; None for an option of no known tool.

    ``option``: as the parser reports it. ``words``: the command line. The parser reports ``-n`` for wget's ``-nc``, so
    options of two letters are looked up in ``words`` first.
    """
    longer = [word for word in words if len(word) == 3 and word[:2] == option and word in FOREIGN_OPTIONS]
    for candidate in (*longer, option):
        if candidate in FOREIGN_OPTIONS:
            return candidate, FOREIGN_OPTIONS[candidate]
    return None
