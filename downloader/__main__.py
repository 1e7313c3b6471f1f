"""`python -m downloader`: the same as `dl`."""

from downloader.cli.entry import main

if __name__ == "__main__":
    main()
