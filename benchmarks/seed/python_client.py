"""COUNT sequential GETs of URL by one of Python's clients; prints the same line as seed_client.

usage: python_client.py requests.get|requests.Session|httpx.Client URL COUNT
"""

import contextlib
import json
import socket
import sys
import time


class CountingSocket(socket.socket):
    """Counts connections: urllib3 and httpcore both connect through socket.socket, and neither counts them."""
    connects = 0

    def connect(self, address):
        CountingSocket.connects += 1
        return super().connect(address)


socket.socket = CountingSocket


def client(mode):
    """The context manager that owns the client's connections; its value has a `get`."""
    if mode == "httpx.Client":
        import httpx
        return httpx.Client()
    import requests
    return contextlib.nullcontext(requests) if mode == "requests.get" else requests.Session()


def main(mode, url, count):
    owner = client(mode)  # the clock starts after the imports and httpx's loading of certificates
    elapsed = size = 0
    start = time.perf_counter()
    with owner as fetcher:
        for _ in range(count):
            response = fetcher.get(url)
            if response.status_code != 200:
                sys.exit(f"status {response.status_code} from {url}")
            elapsed += response.elapsed.total_seconds()
            size += len(response.content)
    wall = time.perf_counter() - start
    # The `elapsed` of both libraries includes the connection's set-up, and neither reports it separately.
    print(json.dumps({"elapsed": elapsed, "with_setup": elapsed, "wall": wall,
                      "connections": CountingSocket.connects, "bytes": size}))


main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
