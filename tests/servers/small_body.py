"""The WSGI application that the gunicorn runs serve: a small body, no framework."""


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "6")])
    return [b"hello\n"]
