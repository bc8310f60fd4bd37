"""What httpbin, under gunicorn, gives to ferry and to Python's requests, in the same run, field by field."""

import base64
import json
import re
import subprocess
import urllib.parse

import servers


class Server:
    def __init__(self, rig):
        self.rig = rig

    def start(self):
        self.url = self.rig.gunicorn(None, "--worker-class", "gthread", "--threads", "8", "--keep-alive", "30",
                                     "httpbin:app")


ODD = "ä ö&=+%/?#;'\"<>\\~"
ALL_BYTES = list(range(256))


def case(name, method, url, **more):
    return {"name": name, "method": method, "url": url, **more}


def bodies(directory):
    large = directory / "large"
    large.write_bytes(bytes(range(256)) * 4096)
    empty = directory / "empty"
    empty.write_bytes(b"")
    text = directory / "some text.txt"
    text.write_text("text\n")
    get = lambda name, url=None, **more: case(name, "GET", url or name, **more)  # noqa: E731
    yield get("query", "get", query=[["a", "1"], ["a", "2"], ["ä", ODD], ["empty", ""]])
    yield get("a query that is there", "get?x=1&y=a%20b", query=[["z", "3"]])
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        yield case(f"{method}, text", method, f"{method.lower()}", body={"text": "some text, ä"})
    yield case("all bytes", "POST", "post", body={"bytes": ALL_BYTES})
    yield case("no body", "POST", "post")
    yield case("an empty body", "POST", "post", body={"text": ""})
    yield case("JSON", "POST", "post", body={"json": {"name": "Ada", "list": [1, 2.5, None, True, "ä"]}})
    yield case("a form", "POST", "post", body={"form": [["a", "1"], ["a", "2"], ["odd", ODD], ["ä", ""]]})
    yield case("a file", "PUT", "put", body={"file": str(text)})
    yield case("a large file", "PUT", "put", body={"file": str(large)})
    yield case("chunks", "POST", "post", body={"chunks": ["one", "two", "three"]})
    yield case("parts", "POST", "post", body={"multipart": [
        {"name": "field", "text": "value ä"}, {"name": "again", "text": "1"}, {"name": "again", "text": "2"},
        {"name": "memory", "filename": "ü.bin", "bytes": ALL_BYTES, "type": "application/octet-stream"},
        {"name": "csv", "filename": "report.csv", "bytes": list(b"some,data\n"), "type": "text/csv"},
        {"name": "disk", "path": str(text)}, {"name": "none", "path": str(empty)}, {"name": "large", "path": str(large)}]})
    yield case("anything", "PATCH", "anything/deep/er?x=1", body={"text": "x"}, headers=[["X-Own", "1"]])
    yield get("headers")
    yield get("a header replaced", "headers", headers=[["Accept", "text/html"], ["X-Own", "value"]])
    yield get("a header removed", "headers", headers=[["Accept", ""]])
    yield get("fields of the answer", "response-headers", query=[["X-A", "1"], ["X-A", "2"], ["X-B", "b c"]])
    for path in ("encoding/utf8", "html", "xml", "json", "robots.txt", "deny", "image/png", "image/svg", "image/webp",
                 "bytes/1024?seed=1", "base64/aGVsbG8gd29ybGQ=", "links/5/0", "gzip", "deflate", "brotli", "cache",
                 "etag/abc", "user-agent", "ip"):
        yield get(path)
    for path in ("stream-bytes/5000?seed=1&chunk_size=100", "drip?duration=0.1&numbytes=10&delay=0", "stream/5", "gzip",
                 "brotli", "image/jpeg", "status/404"):
        yield get(f"{path}, streamed", path, how="stream")
    yield get("stream/5, line by line", "stream/5", how="lines")
    yield get("a range", "range/1000", headers=[["Range", "bytes=100-199"]])
    yield get("a range that is not there", "range/1000", headers=[["Range", "bytes=2000-"]])
    yield get("a download that was cut", "image/jpeg", how="download")
    for code in (200, 201, 204, 304, 400, 404, 418, 500, 503):
        yield get(f"status/{code}", follow=False)
    for path in ("get", "image/png", "stream/2", "status/404"):
        yield case(f"HEAD {path}", "HEAD", path, follow=False)
    yield case("OPTIONS", "OPTIONS", "get")
    yield case("with leave", "POST", "post", body={"text": "x" * 5000}, headers=[["Expect", "100-continue"]])


def policies(_):
    get = lambda name, url=None, **more: case(name, "GET", url or name, **more)  # noqa: E731
    for path in ("redirect/3", "relative-redirect/2", "absolute-redirect/2", "redirect-to?url=/get%3Fx%3D1"):
        yield get(path)
        yield get(f"{path}, streamed", path, how="stream")
    yield get("a redirect left alone", "redirect/1", follow=False)
    yield get("more redirects than are followed", "redirect/31")
    for code in (301, 302, 303, 307, 308):
        for method in ("GET", "POST", "HEAD"):
            more = {"body": {"form": [["a", "1"]]}} if method == "POST" else {}
            yield case(f"{method}, {code}", method, f"redirect-to?url=/anything&status_code={code}", **more)
    yield get("Basic", "basic-auth/user/pass", auth=["basic", "user", "pass"])
    yield get("Basic, wrong", "basic-auth/user/pass", auth=["basic", "user", "x"])
    yield get("Basic, without", "basic-auth/user/pass")
    yield get("Basic, hidden", "hidden-basic-auth/user/pass", auth=["basic", "user", "pass"])
    yield get("Bearer", "bearer", auth=["bearer", "token"])
    yield get("Bearer, without", "bearer")
    for path in ("digest-auth/auth/user/pass", "digest-auth/auth/user/pass/MD5", "digest-auth/auth/user/pass/SHA-256"):
        yield get(path, auth=["digest", "user", "pass"])
    yield get("Digest, wrong", "digest-auth/auth/user/pass", auth=["digest", "user", "x"])
    yield get("cookies/set?a=1&b=two")
    yield get("cookies")
    yield get("cookies/delete?a")
    yield get("the cookies left", "cookies")
    yield get("a cookie of its own", "cookies", headers=[["Cookie", "own=1"]])
    yield get("delay/1")
    yield get("delay/2, too late", "delay/2", timeout_ms=300)
    for code in (429, 502, 503):
        yield get(f"status/{code}")


# --- with requests -------------------------------------------------------------------------------


def body_of(body):
    """As arguments of requests.request."""
    if "text" in body:
        return {"data": body["text"].encode()}
    if "bytes" in body:
        return {"data": bytes(body["bytes"])}
    if "json" in body:
        return {"json": body["json"]}
    if "form" in body:
        return {"data": [tuple(pair) for pair in body["form"]]}
    if "file" in body:
        return {"data": open(body["file"], "rb")}
    if "chunks" in body:
        return {"data": (chunk.encode() for chunk in body["chunks"])}
    files = []
    for part in body["multipart"]:
        if "path" in part:
            files.append((part["name"], (part["path"].split("/")[-1], open(part["path"], "rb"))))
        elif "filename" in part:
            files.append((part["name"], (part["filename"], bytes(part["bytes"]), part["type"])))
        else:
            files.append((part["name"], (None, part["text"])))
    return {"files": files}


def make(session, url, what):
    import requests
    import requests.auth
    headers = {name: value or None for name, value in what.get("headers", [])}
    arguments = {"params": [tuple(pair) for pair in what.get("query", [])] or None, "headers": headers,
                 "allow_redirects": what.get("follow", True), **body_of(what.get("body", {"text": ""}))}
    if "body" not in what:
        arguments["data"] = None
    if "timeout_ms" in what:
        arguments["timeout"] = what["timeout_ms"] / 1000
    kind, *words = what.get("auth", [None])
    if kind == "bearer":
        headers["Authorization"] = f"Bearer {words[0]}"
    elif kind:
        arguments["auth"] = requests.auth.HTTPDigestAuth(*words) if kind == "digest" else tuple(words)
    how = what.get("how", "whole")
    try:
        answer = session.request(what["method"], url + what["url"], stream=how != "whole", **arguments)
        facts = {"status": answer.status_code, "reason": answer.reason, "url": answer.url,
                 "headers": list(answer.raw.headers.items()), "history": [hop.status_code for hop in answer.history]}
        if how == "lines":
            facts["lines"] = [line.decode() for line in answer.iter_lines()]
            return facts | {"body": b""}
        facts["body"] = b"".join(answer.iter_content(100)) if how == "stream" else answer.content
        if how == "whole" and answer.encoding:
            facts["text"] = answer.text
        return facts
    except requests.Timeout:
        return {"error": "timeout"}
    except requests.TooManyRedirects:
        return {"error": "redirects"}


# --- compared ------------------------------------------------------------------------------------

# Of each exchange its own.
NOT_COMPARED = {"date", "connection", "keep-alive", "server"}
# What a client says of itself.
ITS_OWN = {"User-Agent", "Accept-Encoding"}


def plain(text):
    """What an answer says of the request, without what each client may put in its own words."""
    if isinstance(text, list):
        return [plain(line) for line in text]
    try:
        said = json.loads(text)
    except ValueError:
        lines = text.splitlines()
        return [plain(line) for line in lines] if len(lines) > 1 and lines[0][:1] in ("{", b"{") else text
    if not isinstance(said, dict):
        return said
    said.get("cookies", {}).pop("last_nonce", None)  # Of the server's own choice.
    if "user-agent" in said:
        return None
    if "url" in said:
        said["url"] = urllib.parse.unquote_plus(said["url"])  # A space in a query: %20, or +.
    headers = said.get("headers")
    if not isinstance(headers, dict):
        return said
    for name in ITS_OWN:
        headers.pop(name, None)
    if "last_nonce" in headers.get("Cookie", ""):
        headers["Cookie"] = re.sub("last_nonce=[^;]*", "last_nonce", headers["Cookie"])
    kind = headers.get("Content-Type", "")
    if "boundary" in kind:
        headers["Content-Type"] = "multipart/form-data"
    if kind == "application/octet-stream":  # Which requests does not say.
        headers.pop("Content-Type")
    if kind.startswith(("multipart", "application/json", "application/x-www")):  # Boundaries; spaces; ~ in forms.
        headers.pop("Content-Length", None)
    if kind == "application/json":
        said.pop("data")
    return said


def fields(headers):
    return sorted((name.lower(), value) for name, value in headers if name.lower() not in NOT_COMPARED)


def differences(ferry, other, what):
    if "error" in ferry or "error" in other:
        if ferry.get("error") != other.get("error"):
            yield f"error: {ferry.get('error')} / {other.get('error')}"
        return
    body = base64.b64decode(ferry["body"])
    if what.get("how") == "download":
        if not ferry["cut"] or body != other["body"] or ferry["size"] != len(body):
            yield "the file"
        return
    for fact in ("status", "reason"):
        if ferry[fact] != other[fact]:
            yield f"{fact}: {ferry[fact]} / {other[fact]}"
    # Challenges that were answered stand in requests' history, not in ferry's, which is of redirects.
    if ferry["history"] != [status for status in other["history"] if status != 401]:
        yield f"history: {ferry['history']} / {other['history']}"
    if plain(ferry.get("lines", [])) != plain(other.get("lines", [])):
        yield f"lines: {ferry.get('lines')} / {other.get('lines')}"
    if plain(body) != plain(other["body"]):
        yield f"body: {body[:2000]} / {other['body'][:2000]}"
    # Where a server does not tell the charset, requests guesses; ferry takes UTF-8.
    if "charset" in dict(fields(other["headers"])).get("content-type", "") and ferry.get("text") != other.get("text"):
        yield "text"
    ours, theirs = fields(ferry["headers"]), fields(other["headers"])
    # The length tells what a client says of itself; a challenge is never the same twice, nor is a nonce's cookie.
    changing = {"content-length", "www-authenticate", "set-cookie", "last-modified", "etag"}
    if isinstance(plain(body), dict):
        ours = [field for field in ours if field[0] not in changing]
        theirs = [field for field in theirs if field[0] not in changing]
    if [name for name, _ in ours] != [name for name, _ in theirs]:
        yield f"fields: {ours} / {theirs}"
    elif [field for field in ours if field[0] not in changing] != [field for field in theirs if field[0] not in changing]:
        yield f"fields: {ours} / {theirs}"
    if urllib.parse.unquote_plus(ferry["url"]) != urllib.parse.unquote_plus(other["url"]):
        yield f"url: {ferry['url']} / {other['url']}"


def compared(server, program, make_cases):
    import requests
    server.start()
    cases = list(make_cases(server.rig.directory))
    run = subprocess.run([program, server.url, server.rig.directory], input=json.dumps(cases), capture_output=True,
                         text=True, timeout=300)
    if run.returncode != 0:
        raise servers.Failure(run.stderr)
    with requests.Session() as session:
        session.trust_env = False
        for what, ferry in zip(cases, json.loads(run.stdout), strict=True):
            odd = list(differences(ferry, make(session, server.url, what), what))
            yield f"{what['name']}: " + ("the same" if not odd else "; ".join(odd)), not odd


def bodies_compared(server, program):
    yield from compared(server, program, bodies)


def policies_compared(server, program):
    yield from compared(server, program, policies)


PACKAGES = ["python3-httpbin", "python3-requests", "python3-brotli", "gunicorn"]
ALL = [bodies_compared, policies_compared]
