"""What httpbin, under gunicorn, gives to ferry and to Python's requests, in the same run, field by field."""

import base64
import functools
import json
import random
import re
import subprocess
import urllib.parse

import servers


class Server:
    def __init__(self, rig):
        self.rig = rig

    def start(self):
        """With files of its own: nothing that httpbin makes up has a strong validator, which resuming takes."""
        files = self.rig.directory / "static"
        files.mkdir()
        (files / "large").write_bytes(random.Random(1).randbytes(1 << 20))
        (self.rig.directory / "app.py").write_text(f"from httpbin import app\napp.static_folder = {str(files)!r}\n")
        self.url = self.rig.gunicorn(self.rig.directory, "--worker-class", "gthread", "--threads", "8", "--keep-alive", "30",
                                     "app:app")


ODD = "ä ö&=+%/?#;'\"<>\\~"
ALL_BYTES = list(range(256))


def case(name, method, url, **more):
    """`requests`: what is otherwise for requests; `apart`: facts and fields of the request that are not compared; `must`: what
    has to come of it, whatever requests makes of it."""
    return {"name": name, "method": method, "url": url, **more}


def bodies(directory, _):
    large = directory / "large"
    large.write_bytes(bytes(range(256)) * 4096)
    empty = directory / "empty"
    empty.write_bytes(b"")
    text = directory / "some text.txt"
    text.write_text("text\n")
    get = lambda name, url=None, **more: case(name, "GET", url or name, **more)  # noqa: E731
    yield get("query", "get", query=[["a", "1"], ["a", "2"], ["ä", ODD], ["empty", ""]])
    yield get("an odd path", "anything/ä b/a%2Fb/x;y=1/@:!$&'()*,~/../end")
    yield get("a path with dots", "anything/a/../b/./c")
    yield get("a fragment", "get?a=1#part")
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
    yield case("parts with odd names", "POST", "post", body={"multipart": [
        {"name": 'say "ä"', "text": ODD}, {"name": "ä=;,", "filename": 'a "b";c=ü, d.txt', "bytes": list(b"x"), "type": "text/plain"},
        {"name": "", "text": ""}, {"name": "lines", "text": "one\r\ntwo\r\n--\r\n"}]})
    parts = [{"name": "a", "text": "1"}, {"name": "file", "filename": "f", "bytes": ALL_BYTES, "type": "image/x-own"}]
    pulled = {"name": "pulled", "filename": "p"}
    # requests reads all parts before it sends them.
    yield case("parts of which one is pulled", "POST", "post", body={"multipart": [*parts, {**pulled, "chunks": ["one", "two"]}]},
               apart=["Transfer-Encoding"], requests={"body": {"multipart": [
                   *parts, {**pulled, "bytes": list(b"onetwo"), "type": "application/octet-stream"}]}})
    yield case("chunks, of which there are none", "POST", "post", body={"chunks": []})
    yield case("large chunks", "PUT", "put", body={"chunks": ["x" * 10_000] * 50})
    yield case("OPTIONS, text", "OPTIONS", "get", body={"text": "x"})
    yield case("TRACE", "TRACE", "anything", apart=["Content-Length"])  # requests sends one, where no body may be.
    yield case("a method that is not there", "POST", "get", body={"text": "x"})
    yield case("anything", "PATCH", "anything/deep/er?x=1", body={"text": "x"}, headers=[["X-Own", "1"]])
    yield get("headers")
    yield get("a header replaced", "headers", headers=[["Accept", "text/html"], ["X-Own", "value"]])
    yield get("a header removed", "headers", headers=[["Accept", ""]])
    yield get("a link and others", "response-headers", query=[
        ["Link", '</x?a=1>; rel="next"'], ["Link", "</y>; rel=prev"], ["ETag", 'W/"x,y"'], ["Vary", "*"], ["X-Empty", ""]])
    yield get("fields of the answer", "response-headers", query=[["X-A", "1"], ["X-A", "2"], ["X-B", "b c"]])
    for path in ("encoding/utf8", "html", "xml", "json", "robots.txt", "deny", "image/png", "image/svg", "image/webp",
                 "bytes/1024?seed=1", "base64/aGVsbG8gd29ybGQ=", "links/5/0", "gzip", "deflate", "brotli", "cache",
                 "cache/60", "etag/abc", "user-agent", "ip", "links/10/3", "forms/post", "bytes/0", "static/large", "not/there",
                 "base64/w6QgIMO2", "stream-bytes/0"):
        yield get(path)
    for name, fields in (("If-None-Match", ["If-None-Match", '"abc"']), ("If-Match", ["If-Match", '"other"'])):
        yield get(f"etag/abc, {name}", "etag/abc", headers=[fields])
    yield get("cache, If-Modified-Since", "cache", headers=[["If-Modified-Since", "Mon, 01 Jan 2024 00:00:00 GMT"]])
    for kind in ("image/webp", "image/svg+xml", "text/plain"):
        yield get(f"image, Accept: {kind}", "image", headers=[["Accept", kind]])
    for path in ("stream-bytes/5000?seed=1&chunk_size=100", "drip?duration=0.1&numbytes=10&delay=0", "stream/5", "gzip",
                 "deflate", "brotli", "static/large", "status/204", "image/jpeg", "status/404"):
        yield get(f"{path}, streamed", path, how="stream")
    for path in ("stream/5", "stream/100", "html", "robots.txt", "encoding/utf8", "gzip", "base64/YQ0KYg1jCgpkDQplDA1m", "bytes/0"):
        yield get(f"{path}, line by line", path, how="lines")
    yield get("a range", "range/1000", headers=[["Range", "bytes=100-199"]])
    yield get("a range that is not there", "range/1000", headers=[["Range", "bytes=2000-"]])
    # Of what has no strong validator nothing can be gone on with.
    for path in ("image/jpeg", "range/100000", "encoding/utf8"):
        yield get(f"a download that was cut, {path}", path, how="download")
    yield get("a download that was cut and goes on", "static/large", how="download", resumes=True)
    yield get("a range of a file", "static/large", headers=[["Range", "bytes=-500"]])
    for code in (200, 201, 204, 304, 400, 404, 418, 500, 503):
        yield get(f"status/{code}", follow=False)
    for path in ("get", "image/png", "stream/2", "status/404"):
        yield case(f"HEAD {path}", "HEAD", path, follow=False)
    yield case("OPTIONS", "OPTIONS", "get")
    leave = [["Expect", "100-continue"]]
    yield case("with leave", "POST", "post", body={"text": "x" * 5000}, headers=leave)
    yield case("with leave, a large file", "PUT", "put", body={"file": str(large)}, headers=leave)
    yield case("with leave, as without", "POST", "post", body={"text": "x" * 5000}, headers=leave, requests={"headers": []},
               apart=["Expect"])


def policies(directory, base):
    (directory / "again").write_bytes(b"once more" * 100_000)
    get = lambda name, url=None, **more: case(name, "GET", url or name, **more)  # noqa: E731
    for path in ("redirect/3", "relative-redirect/2", "absolute-redirect/2", "redirect-to?url=/get%3Fx%3D1"):
        yield get(path)
        yield get(f"{path}, streamed", path, how="stream")
    yield get("a redirect with a fragment", "redirect-to?url=/get%23there")
    yield get("a redirect that keeps the fragment", "redirect/1#here")
    yield get("a redirect to the parent", "redirect-to?url=../anything/./x")
    yield get("a redirect to odd letters", "redirect-to?url=/anything/%C3%A4%20b?x=%C3%B6")
    yield get("as many redirects as are followed", "redirect/30")
    yield get("a redirect left alone", "redirect/1", follow=False)
    yield get("more redirects than are followed", "redirect/31")
    for code in (301, 302, 303, 307, 308):
        for method in ("GET", "POST", "HEAD"):
            more = {"body": {"form": [["a", "1"]]}} if method == "POST" else {}
            yield case(f"{method}, {code}", method, f"redirect-to?url=/anything&status_code={code}", **more)
    for code in (301, 303, 307, 308):
        yield case(f"PUT, {code}", "PUT", f"redirect-to?url=/anything&status_code={code}", body={"text": "x"},
                   **({"requests": {"url": "redirect-to?url=/anything&status_code=308"}, "apart": ["history"]} if code == 301 else {}))
    # Of what was neither GET nor HEAD requests makes a GET after a 302; by RFC 9110 15.4.3 that is for POST only.
    yield case("PUT, 302", "PUT", "redirect-to?url=/anything&status_code=302", body={"text": "x"}, apart=["history"],
               requests={"url": "redirect-to?url=/anything&status_code=307"})
    for code in (307, 308):
        for body in ({"file": str(directory / "again")}, {"multipart": [{"name": "a", "path": str(directory / "again")}]}, {"bytes": ALL_BYTES}):
            yield case(f"{next(iter(body))} sent again, {code}", "POST", f"redirect-to?url=/post&status_code={code}", body=body)
        # requests sends a body without end or beginning: its generator is used up.
        yield case(f"chunks that cannot be sent again, {code}", "POST", f"redirect-to?url=/post&status_code={code}",
                   body={"chunks": ["one"]}, must={"error": "refused"})
    yield case("chunks, 303", "POST", "redirect-to?url=/get&status_code=303", body={"chunks": ["one"]})
    other = base.replace("127.0.0.1", "localhost")
    for target in (base, other):
        to = urllib.parse.quote(target + "headers", safe="")
        at = urllib.parse.urlsplit(target).hostname
        yield get(f"Basic, redirected to {at}", f"redirect-to?url={to}", auth=["basic", "user", "pass"])
        yield get(f"a field of its own, redirected to {at}", f"redirect-to?url={to}", headers=[["X-Own", "1"]])
        yield get(f"credentials of its own, redirected to {at}", f"redirect-to?url={to}", headers=[["Authorization", "Own x"]])
    # ferry shows no userinfo.
    yield get("Basic, in the URL", base.replace("//", "//user:p%20%40s@") + "basic-auth/user/p%20@s", apart=["url"])
    yield get("Basic, odd letters", "basic-auth/us%C3%A4r/p:%C3%B6%20", auth=["basic", "usär", "p:ö "])
    yield get("Basic, an empty password", "headers", auth=["basic", "user", ""])
    yield get("Basic, hidden, wrong", "hidden-basic-auth/user/pass", auth=["basic", "user", "x"])
    yield get("Basic", "basic-auth/user/pass", auth=["basic", "user", "pass"])
    yield get("Basic, wrong", "basic-auth/user/pass", auth=["basic", "user", "x"])
    yield get("Basic, without", "basic-auth/user/pass")
    yield get("Basic, hidden", "hidden-basic-auth/user/pass", auth=["basic", "user", "pass"])
    yield get("Bearer", "bearer", auth=["bearer", "token"])
    yield get("Bearer, without", "bearer")
    for path in ("digest-auth/auth/user/pass", "digest-auth/auth/user/pass/MD5", "digest-auth/auth/user/pass/SHA-256"):
        yield get(path, auth=["digest", "user", "pass"])
    for path in ("auth/user/pass", "auth/user/pass/SHA-256"):
        yield get(f"Digest, wrong, {path}", f"digest-auth/{path}", auth=["digest", "user", "x"])
        yield get(f"Digest, without, {path}", f"digest-auth/{path}")
        yield get(f"Digest, streamed, {path}", f"digest-auth/{path}", auth=["digest", "user", "pass"], how="stream")
        yield get(f"Digest, redirected, {path}", f"redirect-to?url=/digest-auth/{path}", auth=["digest", "user", "pass"])
        for i in range(5):  # The server takes a nonce twice.
            yield get(f"Digest, stale, {path}, {i}", f"digest-auth/{path}{'' if 'SHA' in path else '/MD5'}/2", auth=["digest", "user", "pass", "kept"])
    yield get("Digest, odd letters", "digest-auth/auth/us%C3%A4r/p:%22%C3%B6", auth=["digest", "usär", 'p:"ö'])
    yield get("Digest, a query", "digest-auth/auth/user/pass?a=b%20c,d&e=%22", auth=["digest", "user", "pass"])
    yield get("Digest, two qualities", "digest-auth/both/user/pass", auth=["digest", "user", "pass"])
    yield get("cookies/set?a=1&b=two")
    yield get("cookies")
    yield get("cookies/delete?a")
    yield get("the cookies left", "cookies")
    yield get("cookies/set/b/three")
    # No quotes in quotes: requests sends `"a \\"b\\""` back as `"a b"`.
    yield get("cookies in their own words", "cookies/set", query=[["c", "x=y"], ["d", "a b; c"], ["e", ""], ["b", "four"]])
    for field in ("p=1; Path=/cookies", "q=1; Path=/elsewhere", "r=1; Max-Age=0", "b=gone; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Path=/",
                  "s=1; Domain=other.test", "t=1; Secure; Path=/", "u=1; HttpOnly; Path=/", "v", 'w="1 2"; Path=/; Max-Age=100'):
        yield get(f"Set-Cookie: {field}", "response-headers", query=[["Set-Cookie", field]])
        yield get(f"the cookies after {field}", "cookies")
    yield get("the cookies somewhere else", "headers")
    yield get("the cookies of another host", other + "cookies")
    yield get("a cookie of its own", "cookies", headers=[["Cookie", "own=1"]])
    yield get("delay/1")
    yield get("delay/1, in time", "delay/1", timeout_ms=10_000)
    yield get("delay/2, streamed, too late", "delay/2", timeout_ms=300, how="stream")
    yield get("redirected, too late", "redirect-to?url=/delay/2", timeout_ms=300)
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


@functools.cache
def kept(user, password):
    import requests.auth
    return requests.auth.HTTPDigestAuth(user, password)


def make(session, url, what):
    import requests
    import requests.auth
    what = what | what.get("requests", {})
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
    elif kind == "basic":
        arguments["auth"] = tuple(word.encode() for word in words)  # Text it would send as Latin-1.
    elif kind == "digest":
        arguments["auth"] = kept(*words[:2]) if len(words) > 2 else requests.auth.HTTPDigestAuth(*words)
    how = what.get("how", "whole")
    try:
        answer = session.request(what["method"], urllib.parse.urljoin(url, what["url"]), stream=how != "whole", **arguments)
        facts = {"status": answer.status_code, "reason": answer.reason, "url": answer.url,
                 "headers": list(answer.raw.headers.items()), "history": [[hop.status_code, hop.url, list(hop.raw.headers.items())] for hop in answer.history]}
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


def plain_url(url):
    """A space in a query is %20, or +; what else need not be encoded may be."""
    path, mark, query = url.partition("?")
    return path + mark + urllib.parse.unquote_plus(query)


def plain(text, apart=()):
    """What an answer says of the request, without what each client may put in its own words."""
    if isinstance(text, list):
        return [plain(line, apart) for line in text]
    try:
        said = json.loads(text)
    except ValueError:
        lines = text.splitlines()
        return [plain(line, apart) for line in lines] if len(lines) > 1 and lines[0][:1] in ("{", b"{") else text
    if not isinstance(said, dict):
        return said
    said.get("cookies", {}).pop("last_nonce", None)  # Of the server's own choice.
    if "user-agent" in said:
        return {"user-agent": None}
    if "url" in said:
        said["url"] = plain_url(said["url"])
    headers = said.get("headers")
    if not isinstance(headers, dict):
        return said
    for name in {*ITS_OWN, *apart}:
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


def fields(headers, without=()):
    return sorted((name.lower(), value) for name, value in headers if name.lower() not in {*NOT_COMPARED, *without})


def changing(what, headers, body):
    """The names of what is not the same in two answers to the same request."""
    names = set()
    is_json_of_head = what["method"] == "HEAD" and ("content-type", "application/json") in fields(headers)
    said = plain(body)
    if is_json_of_head or isinstance(said, dict) and {"headers", "user-agent"} & said.keys():
        names.add("content-length")  # Of what the client says of itself.
    if "digest" in what["url"]:
        names |= {"www-authenticate", "set-cookie"}  # Nonces.
    if what["url"].startswith("cache"):
        names |= {"last-modified", "etag"}  # Made up.
    return names


def hops(history):
    """Challenges that were answered stand in requests' history, not in ferry's, which is of redirects."""
    return [(status, plain_url(url), fields(headers, {"content-length"})) for status, url, headers in history if status != 401]


def differences(ferry, other, what):
    apart = what.get("apart", [])
    if "error" in ferry or "error" in other:
        if ferry.get("error") != other.get("error"):
            yield f"error: {ferry.get('error')} / {other.get('error')}"
        return
    body = base64.b64decode(ferry["body"])
    if what.get("how") == "download":
        if not ferry["cut"] or body != other["body"] or ferry["size"] != len(body):
            yield "the file"
        if (ferry["resumed_from"] > 0) != what.get("resumes", False):
            yield f"it went on at {ferry['resumed_from']}"
        return
    for fact in ("status", "reason"):
        if ferry[fact] != other[fact]:
            yield f"{fact}: {ferry[fact]} / {other[fact]}"
    if "history" not in apart and hops(ferry["history"]) != hops(other["history"]):
        yield f"history: {hops(ferry['history'])} / {hops(other['history'])}"
    if plain(ferry.get("lines", [])) != plain(other.get("lines", [])):
        yield f"lines: {ferry.get('lines')} / {other.get('lines')}"
    if plain(body, apart) != plain(other["body"], apart):
        yield f"body: {body[:2000]} / {other['body'][:2000]}"
    # Where a server does not tell the charset, requests guesses; ferry takes UTF-8.
    if "charset" in dict(fields(other["headers"])).get("content-type", "") and ferry.get("text") != other.get("text"):
        yield "text"
    without = changing(what, other["headers"], body or "\n".join(ferry.get("lines", [])))
    if {name.lower() for name, _ in ferry["headers"]} != {name.lower() for name, _ in other["headers"]}:
        yield f"the names of the fields: {ferry['headers']} / {other['headers']}"
    ours, theirs = fields(ferry["headers"], without), fields(other["headers"], without)
    if ours != theirs:
        yield f"fields: {ours} / {theirs}"
    if "url" not in apart and plain_url(ferry["url"]) != plain_url(other["url"]):
        yield f"url: {ferry['url']} / {other['url']}"


def compared(server, program, make_cases):
    import requests
    server.start()
    cases = list(make_cases(server.rig.directory, server.url))
    run = subprocess.run([program, server.url, server.rig.directory], input=json.dumps(cases), capture_output=True,
                         text=True, timeout=300)
    if run.returncode != 0:
        raise servers.Failure(run.stderr)
    with requests.Session() as session:
        session.trust_env = False
        for what, ferry in zip(cases, json.loads(run.stdout), strict=True):
            odd = list(differences(ferry, what.get("must") or make(session, server.url, what), what))
            yield f"{what['name']}: " + ("the same" if not odd else "; ".join(odd)), not odd


def bodies_compared(server, program):
    yield from compared(server, program, bodies)


def policies_compared(server, program):
    yield from compared(server, program, policies)


PACKAGES = ["python3-httpbin", "python3-requests", "python3-brotli", "gunicorn"]
ALL = [bodies_compared, policies_compared]
