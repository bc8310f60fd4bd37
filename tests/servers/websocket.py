"""Connections that leave HTTP (RFC 9110 7.8) for RFC 6455: handshakes and frames with a WebSocket server, straight
and through what may stand before it. Each scenario is given a `Server` that is yet to be started and the client
program, and yields what it saw, and whether that is as it must be."""

import base64
import hashlib
import itertools
import os
import time
from dataclasses import dataclass

import fleet
import servers
import tls

TEXT, CLOSE, PONG = 1, 8, 10  # Opcodes.
EOF = "End of file"


@dataclass(frozen=True)
class Way:
    """To the server."""
    name: str
    url: str
    words: list
    is_straight: bool = False
    keeps: bool = False      # The server ends each connection that it refuses; what keeps them is before it.
    has_hello: bool = False  # Which is no WebSocket.

    @property
    def secure(self):
        return self.url.startswith("https")


class Server(tls.Sites):
    """One of the package websockets, alone and behind proxies."""

    def start(self):
        port, tls_port, socks = (servers.free_port() for _ in range(3))
        app = [servers.PYTHON, fleet.APP / "websocket.py", self.rig.directory, str(port), str(tls_port)]
        self.rig.start("websocket", app, port)
        self.rig.start("microsocks", ["microsocks", "-i", "127.0.0.1", "-p", str(socks)], socks)
        behind = (f"location / {{ proxy_pass http://127.0.0.1:{port}; proxy_http_version 1.1; "
                  "proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $http_connection; }")
        plain, secure = self.add(behind, certificate=None), self.add(behind)
        super().start()
        caddy = self.rig.caddy(f"reverse_proxy 127.0.0.1:{port}").rstrip("/")
        ca, proxy = [f"ca={self.ca}"], [f"proxy=socks5h://127.0.0.1:{socks}"]
        self.ways = [Way("straight", f"http://127.0.0.1:{port}", [], is_straight=True),
                     Way("straight, TLS", f"https://localhost:{tls_port}", ca, is_straight=True),
                     Way("nginx", f"http://127.0.0.1:{plain}", [], keeps=True, has_hello=True),
                     Way("nginx, TLS", f"https://localhost:{secure}", ca, keeps=True, has_hello=True),
                     Way("caddy", caddy, [], keeps=True),
                     Way("SOCKS", f"http://localhost:{port}", proxy),
                     Way("SOCKS, TLS", f"https://localhost:{tls_port}", [*ca, *proxy])]

    def ended(self, count):
        """(path, code) of each conversation, by the server's own log, once it has so many."""
        log = self.rig.directory / "ended.log"
        deadline = time.monotonic() + 30
        while True:
            lines = log.read_text().splitlines() if log.exists() else []
            if len(lines) >= count or time.monotonic() > deadline:
                return [tuple(line.split()) for line in lines]
            time.sleep(0.01)


# --- what the client is to do, and what is to come of each step ----------------------------------


def new_key():
    return base64.b64encode(os.urandom(16)).decode()


def accept(key):
    """RFC 6455 4.2.2."""
    return base64.b64encode(hashlib.sha1(f"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest()).decode()


def asking(key, version=13, upgrade="websocket", **others):
    fields = {"Upgrade": upgrade, "Sec-WebSocket-Version": version, "Sec-WebSocket-Key": key, **others}
    return [(f"header={name}:{value}", {}) for name, value in fields.items() if value is not None]


def handshake(path, key=None, **expected):
    key = key or new_key()
    return [*asking(key), (f"upgrade={path}", {"status": 101, "upgraded": 1, "accept": accept(key), **expected})]


def message(size, frames=1, pings=0):
    return "read", {"opcode": TEXT, "size": size, "frames": frames, "pings": pings, "whole": 1}


def echoed(*sizes):
    """One text, in frames of these sizes; it comes back in one."""
    return [("text=" + "+".join(map(str, sizes)), {}), message(sum(sizes))]


# RFC 6455 7: who is asked to close does so too; then the server ends the connection.
CLOSED = [("close=1000", {}), ("read", {"opcode": CLOSE, "code": 1000}), ("end", {"bytes": 0, "end": EOF})]


def talk(program, way, script, *words):
    """What the client did, and what of it is not as it was to be."""
    report = servers.json_of([program, way.url, *way.words, *words, *(step for step, _ in script)])
    odd = []
    for seen in report["conversations"]:
        for (step, expected), facts in itertools.zip_longest(script, seen, fillvalue={"error": "not taken"}):
            if not expected.items() <= facts.items() or "error" in facts and "error" not in expected:
                odd.append(f"{step}: {facts}")
                break
    if any(report["left"].values()):
        odd.append(f"left: {report['left']}")
    return report["conversations"], odd


def told(label, odd):
    return f"{label}{': but ' + odd[0] if odd else ''}", not odd


# --- scenarios ----------------------------------------------------------------------------------


def handshakes(server, program):
    """Keys and what the server makes of them, RFC 6455's own example (1.3) first."""
    yield "the example of RFC 6455", accept("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    server.start()
    for way in server.ways:
        for key in ("dGhlIHNhbXBsZSBub25jZQ==", new_key(), new_key()):
            _, odd = talk(program, way, [*handshake("/echo", key, protocol="", body=""), *echoed(5), *CLOSED])
            yield told(f"{way.name}: {key}, answered with {accept(key)}", odd)
        script = [("header=Sec-WebSocket-Protocol:other, echo", {}), ("header=Origin:http://friend.test", {}),
                  *handshake("/echo", protocol="echo"), *echoed(5), *CLOSED]
        yield told(f"{way.name}: with a subprotocol and an origin", talk(program, way, script)[1])
    ended = server.ended(4 * len(server.ways))
    yield f"by the server's log {len(ended)} were closed", ended == [("/echo", "1000")] * 4 * len(server.ways)


def texts(server, program):
    """Of all lengths that frames tell in different ways, in one frame and in several, there and back."""
    sizes = (0, 1, 125, 126, 65535, 65536, 1_000_000)
    parts = ((1, 2, 3), (0, 125, 126), (65535, 65536, 5))
    server.start()
    for way in server.ways:
        one = [step for size in sizes for step in echoed(size)]
        yield told(f"{way.name}: of {', '.join(map(str, sizes))} bytes", talk(program, way, [*handshake("/echo"), *one, *CLOSED])[1])
        several = [step for frames in parts for step in echoed(*frames)]
        yield told(f"{way.name}: in several frames", talk(program, way, [*handshake("/echo"), *several, *CLOSED])[1])
        for frames in parts:
            path = "/parts/" + "/".join(map(str, frames))
            script = [*handshake(path), message(sum(frames), len(frames) + 1), *echoed(5), *CLOSED]
            yield told(f"{way.name}: from the server in several frames, {path}", talk(program, way, script)[1])


def pings(server, program):
    server.start()
    for way in server.ways:
        script = handshake("/echo")
        for word in ("", "here?", "x" * 125):
            script += [(f"ping={word}", {}), ("read", {"opcode": PONG, "word": word})]
        yield told(f"{way.name}: three answered by the server", talk(program, way, [*script, *echoed(5), *CLOSED])[1])
        script = [*handshake("/pings"), message(3, pings=3), *echoed(5), *CLOSED]
        yield told(f"{way.name}: three of the server's answered", talk(program, way, script)[1])


def closings(server, program):
    """By either side; and without a word."""
    server.start()
    count = 0
    for way in server.ways:
        script = [*handshake("/echo"), *echoed(5), ("close=3999", {}), ("read", {"opcode": CLOSE, "code": 3999}),
                  ("end", {"bytes": 0, "end": EOF})]
        yield told(f"{way.name}: by the client", talk(program, way, script)[1])
        script = [*handshake("/closing"), ("read", {"opcode": CLOSE, "code": 4000, "word": "enough"}),
                  ("close=4000", {}), ("end", {"bytes": 0, "end": EOF})]
        yield told(f"{way.name}: by the server", talk(program, way, script)[1])
        # The client has others, and goes on.
        script = [*handshake("/echo"), *echoed(5), ("leave", {}), *handshake("/echo"), *echoed(5), *CLOSED]
        yield told(f"{way.name}: the client is gone, and there again", talk(program, way, script)[1])
        count += 4
    ended = sorted(server.ended(count))
    expected = sorted([("/closing", "4000"), ("/echo", "3999"), ("/echo", "1006"), ("/echo", "1000")] * len(server.ways))
    yield f"by the server's log {len(ended)} ended", ended == expected


def greetings(server, program):
    """The server does not wait for the client: its first frame, or as much of it as goes there, comes in the segment
    of the 101."""
    server.start()
    for way in server.ways:
        for size, head in ((5, 2), (65535, 4), (300_000, 10)):
            script = [*handshake(f"/greeting/{size}"), message(size), *echoed(size), *CLOSED]
            seen, odd = talk(program, way, script)
            behind = next(facts["behind"] for facts in seen[0] if "behind" in facts)
            yield told(f"{way.name}: {behind} of {head + size} bytes behind the 101", odd)
            # TLS puts the two into records of their own, and those who pass them on may do that one by one.
            if way.is_straight and not way.secure:
                yield (f"{way.name}: {'all' if size == 5 else 'some'} of it",
                       behind == head + size if size == 5 else 0 < behind < head + size)


def refusals(server, program):
    """Ordinary answers: the connection is kept if they let it be, and the client goes on."""
    key = new_key()
    cases = [("/nothing", asking(key), 404, "no such path"),
             ("/echo", asking(key, version=None), 400, "Failed to open a WebSocket connection: missing Sec-WebSocket-Version"),
             ("/echo", asking(key, version=12), 400, "Failed to open a WebSocket connection: invalid Sec-WebSocket-Version"),
             ("/echo", asking(None), 400, "Failed to open a WebSocket connection: missing Sec-WebSocket-Key"),
             ("/echo", asking("short"), 400, "Failed to open a WebSocket connection: invalid Sec-WebSocket-Key"),
             ("/echo", asking(key, Origin="http://enemy.test"), 403, "Failed to open a WebSocket connection: invalid Origin"),
             ("/echo", asking(key, upgrade="h2c"), 426, "Failed to open a WebSocket connection: invalid Upgrade header")]
    server.start()
    for way in server.ways:
        for path, fields, status, why in cases:
            script = [*fields, (f"upgrade={path}", {"status": status, "upgraded": 0, "accept": "", "behind": 0}),
                      ("get=/nothing", {"status": 404, "reused": int(way.keeps)}),
                      ("header=Origin:http://friend.test", {}),
                      *handshake("/echo", reused=int(way.keeps)), *echoed(5), *CLOSED]
            seen, odd = talk(program, way, script)
            body = next(facts["body"] for facts in seen[0] if "body" in facts)
            yield told(f"{way.name}: {status}, {body[:80]}", odd or [body] * (not body.startswith(why)))
        if way.has_hello:
            script = [*asking(key), ("upgrade=/hello", {"status": 200, "body": "hello", "upgraded": 0}),
                      ("get=/hello", {"status": 200, "reused": 1}), *handshake("/echo", reused=1), *echoed(5), *CLOSED]
            yield told(f"{way.name}: by who speaks HTTP only", talk(program, way, script)[1])


def broken(server, program):
    """The server is gone without a close: that is for the reader to see."""
    server.start()
    for way in server.ways:
        for path, end in (("/ended", EOF), ("/cut", "stream truncated" if way.secure else EOF),
                          ("/reset", "Connection reset by peer")):
            if way.is_straight:
                script = [*handshake(path), ("read", {"error": end})]
                yield told(f"{way.name}: {path}, {end}", talk(program, way, script)[1])


def many(server, program):
    """The pool does not count connections that are no longer its own: 32 are open at the same time where two may be,
    and there is still room for a request."""
    server.start()
    for way in server.ways:
        script = [*handshake("/meeting/32"), message(32), ("get=/nothing", {"status": 404}), *echoed(70_000), *CLOSED]
        yield told(f"{way.name}: 32 at a time", talk(program, way, script, "limit=2", "at_a_time=32")[1])


def both_ways(server, program):
    """Each side sends without waiting for the other, more than fits on the way."""
    server.start()
    for way in server.ways:
        if way.name.startswith("SOCKS"):
            continue  # microsocks cannot: it reads nothing as long as the other side does not either.
        script = [*handshake("/echo"), ("both=200*100000", {"whole": 200}), *CLOSED]
        yield told(f"{way.name}: 200 texts of 100,000 bytes", talk(program, way, script)[1])


ALL = [handshakes, texts, pings, closings, greetings, refusals, broken, many, both_ways]
