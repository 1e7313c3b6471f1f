"""`python -m downloader.testserver PORT`: serve on loopback until standard input ends."""

import asyncio
import sys

from downloader.testserver.launch import serve

if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
