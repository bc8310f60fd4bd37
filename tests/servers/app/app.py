"""What app.js serves, as a WSGI application for gunicorn."""

import os
import time

ARRIVALS = os.environ.get("FERRY_ARRIVALS")


def note(method, token):
    # One write(2) to the end of the file: lines of several threads and workers do not mix.
    with open(ARRIVALS, "ab", buffering=0) as arrivals:
        arrivals.write(f"{method} {token}\n".encode())


def application(environ, start_response):
    _, path, *token = environ["PATH_INFO"].split("/")
    method = environ["REQUEST_METHOD"]
    if token:
        note(method, *token)
    content = environ["wsgi.input"].read() if method == "POST" else (*token, path)[0].encode()
    if path == "slow":
        time.sleep(1)
    headers = [("X-Generation", os.environ.get("FERRY_GENERATION", "0"))]
    if path in ("chunked", "old"):
        start_response("200 OK", headers)
        return pieces(content)
    start_response("200 OK", [*headers, ("Content-Length", str(len(content)))])
    return [content]


def pieces(content):
    for number in range(20):
        yield content
        if number % 5 == 0:
            time.sleep(0.001)  # So that it is not all in one segment.
