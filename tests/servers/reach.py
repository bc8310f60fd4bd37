"""Ways to a server other than straight over TCP and IPv4: proxies, Unix sockets, IPv6, and networks that lose
packets or lead nowhere. Each scenario is given a `Proxied`, a `tls.Sites` or a `Network`, and the client program,
and yields what it saw, and whether that is as it must be."""

import fcntl
import heapq
import json
import os
import pwd
import random
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import fleet
import servers
import tls
from scenarios import MIXED, NEW, RESUMED, Client, all_answered, in_words, nothing_left, only_posts_failed
from tls import HELLO, labelled

SCHEMES = ("http", "https")
SECRET = {"path": "/hello?card=4711", "expect": "hello"}


class Unavailable(Exception):
    """What cannot be tried here, and why."""


def ipv6_is_there():
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
        return True
    except OSError:
        return False


# --- proxies ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Kind:
    """A make of proxy."""
    name: str
    package: str
    command: object         # From a Proxied, and whether it is to ask for a password, to the command that runs it.
    log: str                # Where it notes what it is asked for, and
    asked: str              # what stands there: up to two groups, of which the last is for what.
    scheme: str = "http"
    config: str = ""        # A template in config/.
    user: str = "ferry"
    password: str = "sesame"
    down: int = 0           # How it answers where an origin is down, and
    wrong: int = 407        # to a wrong password.
    keeps: bool = True      # It keeps its connection to a client over several requests for http.
    speaks_tls: bool = False
    knows_ferry: bool = True  # The user can be made known to it.
    logs_names: bool = True


# squid is the one whose password has what a URL must escape, and whose log has all that it sees.
SQUID = Kind("squid", "squid", lambda p, _: ["squid", "-N", "-f", p.config], "log/access.log",
             r"^\d+ \d+ (GET|POST|CONNECT) (\S+)", config="squid.conf", password="se:s@me/ä", down=503, speaks_tls=True)
# tinyproxy ends each connection for http behind the first answer, and says nothing of that beforehand. To a wrong
# password it answers with the status of origins.
TINYPROXY = Kind("tinyproxy", "tinyproxy-bin", lambda p, _: ["tinyproxy", "-d", "-c", p.config], "log/access.log",
                 r"Request \(file descriptor \d+\): (\S+) (\S+)", config="tinyproxy.conf", down=500, wrong=401,
                 keeps=False)
MICROSOCKS = Kind("microsocks", "microsocks",
                  lambda p, asks: ["microsocks", "-i", "127.0.0.1", "-p", str(p.port),
                                   *(["-u", p.kind.user, "-P", p.kind.password] if asks else [])],
                  "microsocks.log", r"connected to (\S+)", scheme="socks5")
# Its users are those of the system: that it has one of ours would be too much to ask.
DANTED = Kind("danted", "dante-server", lambda p, _: ["danted", "-f", p.config], "log/access.log",
              r"tcp/connect \[: .* -> \S+ (\S+)$", scheme="socks5", config="danted.conf", knows_ferry=False,
              logs_names=False)
KINDS = [SQUID, TINYPROXY, MICROSOCKS, DANTED]


class Proxied(tls.Certified):
    """A proxy, and an origin that notes all that reaches it."""

    def __init__(self, rig, kind):
        super().__init__(rig)
        self.kind, self.directory = kind, rig.directory
        self.port, self.tls_port, self.dead_port, *ports = (servers.free_port() for _ in range(5))
        self.ports = dict(zip(SCHEMES, ports))
        self.config = self.directory / kind.config
        self.process = None

    def start(self, asks=True):
        """With or without being asked for a password."""
        self.directory.chmod(0o755)  # squid does not stay root.
        log = self.directory / "log"
        log.mkdir()
        log.chmod(0o777)
        hashed = subprocess.run(["openssl", "passwd", "-apr1", self.kind.password], capture_output=True, text=True).stdout
        (self.directory / "passwords").write_text(f"{self.kind.user}:{hashed}")
        if self.kind.config:
            own = pwd.getpwuid(os.geteuid()).pw_name
            self.config.write_text(fleet.filled(self.kind.config, {
                "directory": self.directory, "port": self.port, "tls_port": self.tls_port, "user": self.kind.user,
                "password": self.kind.password, "method": "username" if asks else "none", "own": own,
                "nobody": "nobody" if own == "root" else own}))
        addresses = ["127.0.0.1", *["::1"] * ipv6_is_there()]
        self.rig.start("origin", [shutil.which("node"), fleet.APP / "heads.js", self.directory,
                                  *map(str, self.ports.values()), *addresses], self.ports["http"])
        self.command = self.kind.command(self, asks)
        self.start_again()

    def start_again(self):
        self.process = self.rig.start(self.kind.name, self.command, self.port)

    def end(self, number=signal.SIGTERM):
        os.killpg(self.process.pid, number)  # danted is many processes.
        tls.wait_for_end(self.process)

    def url(self, password=None, scheme=None, user=None, secure=False):
        """With the right user and password, or others, or none if the user is empty."""
        user = self.kind.user if user is None else user
        word = f"{user}:{quote(password or self.kind.password, safe='')}@" if user else ""
        if secure:
            return f"https://{word}localhost:{self.tls_port}"
        return f"{scheme or self.kind.scheme}://{word}127.0.0.1:{self.port}"

    def origin(self, scheme, host="localhost"):
        return f"{scheme}://{host}:{self.ports[scheme]}"

    def client(self, program, url, proxy, **words):
        return Client(program, url, ca=self.ca, proxy=proxy, **words)

    def heads(self):
        """Of all requests that have reached the origin."""
        log = self.directory / "heads.log"
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []

    def log(self):
        """The proxy's own, which is complete once it has ended, and so this ends it."""
        self.end()
        log = self.directory / self.kind.log
        return log.read_text() if log.exists() else ""

    def asked(self):
        return re.findall(self.kind.asked, self.log(), re.MULTILINE)


def answered_with(report, count, status):
    """All of it, by the proxy itself."""
    wrong = report["wrong"]
    yield (f"{in_words(report)}: {wrong[0][:60] if wrong else ''}",
           len(wrong) == count == sum(report["answered"].values()) and all(f": {status} " in text for text in wrong))


def no_way(report, count, why, *words):
    """All of it has failed for this reason, for which the error's text has these words; nothing is left open."""
    # One that was on its way when the server died has been sent anew, and its error says so.
    texts = list({text.replace(", attempt 2]", "]") for text in report["failures"]})
    yield (f"{in_words(report)}: {texts}",
           report["failed"] == {"get": {f"connection failed: {why}, new connection": count}} and len(texts) == 1
           and all(word in texts[0] for word in words) and not report["idle"] and not report["active"])


def few_connections(report):
    """For 120 requests, four at a time; one that came up late may have waited for the second."""
    opened, reused = report["opened"], report["reused"]
    return f"{opened} opened, {reused} times reused", opened <= 4 and reused >= 116


def kept_to_itself(proxied):
    """What is the proxy's has gone to nobody else; what the client says of itself has."""
    heads = proxied.heads()
    names = {name.lower() for head in heads for name in head["headers"][::2]}
    yield (f"{len(heads)} heads at the origin, with {', '.join(sorted(names))}",
           bool(heads) and "user-agent" in names and not any(name.startswith("proxy-") for name in names))


# --- HTTP proxies -------------------------------------------------------------------------------


def forwarded(proxied, program):
    """http: the proxy is asked in absolute form, and sees it all."""
    proxied.start()
    with proxied.client(program, proxied.origin("http"), proxied.url()) as client:
        report = client.send(kinds=MIXED, count=120, at_a_time=4)
        if proxied.kind.keeps:
            yield from all_answered(report, 120)
            yield few_connections(report)
        else:  # The next request may meet the end of its connection: those that may be sent again are.
            yield from only_posts_failed(report)
        yield from all_answered(client.send(count=1, **SECRET), 1)
        yield from nothing_left(client)
    yield from kept_to_itself(proxied)
    heads = proxied.heads()
    yield f"paths such as {heads[0]['url']}", all(head["url"].startswith("/") for head in heads)
    posts = [head["url"] for head in heads if head["method"] == "POST"]
    keyed = report["answered"]["keyed"]
    yield (f"{len(posts)} POSTs at the origin, none twice, and none of {len(report['failed_posts'])} that failed",
           len(posts) == len({*posts}) == keyed + len(report["answered_posts"])
           and not {*posts} & {f"/echo/{token}" for token in report["failed_posts"]})
    asked = proxied.asked()
    origin = proxied.origin("http")
    yield (f"{len(asked)} requests in the proxy's log, such as {' '.join(asked[0])}",
           len(asked) == len(heads) and all(method != "CONNECT" and url.startswith(f"{origin}/") for method, url in asked))
    # The proof that what `tunnelled` does not find there could be found.
    yield "the query is in its log", asked[-1] == ("GET", f"{origin}{SECRET['path']}")
    if proxied.kind == SQUID:
        yield "and so are headers", "User-Agent: ferry/" in (proxied.directory / proxied.kind.log).read_text()


def tunnelled(proxied, program):
    """https: the proxy sees host and port, and no more."""
    proxied.start()
    with proxied.client(program, proxied.origin("https"), proxied.url()) as client:
        report = client.send(kinds=MIXED, count=120, at_a_time=4)
        yield from all_answered(report, 120)
        opened = report["opened"]
        yield few_connections(report)
        yield f"over {report['tls']}", sum(report["tls"].values()) == 120 and report["tls"].keys() <= {NEW, RESUMED}
        report = client.send(kinds=MIXED, count=2000, at_a_time=32, tag="more")
        yield from all_answered(report, 2000)
        opened += report["opened"]
        yield f"{opened} opened by now", opened <= 32
        yield from all_answered(client.send(count=1, **SECRET), 1)
        yield from nothing_left(client)
    yield from kept_to_itself(proxied)
    seen = {head["connection"] for head in proxied.heads()}
    yield f"{len(seen)} connections at the origin", len(seen) <= opened  # Less those that carried nothing.
    asked = proxied.asked()
    yield (f"{len(asked)} requests in the proxy's log: {set(asked)}",
           set(asked) == {("CONNECT", f"localhost:{proxied.ports['https']}")} and len(asked) == opened)
    log = (proxied.directory / proxied.kind.log).read_text()
    # "User-Agent" too: CONNECT itself is to say no more than it has to.
    found = [word for word in ("4711", "/hello", "/echo", "Agent", "Idempotency") if word in log]
    yield f"of paths, queries and headers its log has {found or 'nothing'}", not found


def ipv6_origins(proxied, program):
    """Addresses in brackets, which are none on their way to a SOCKS proxy."""
    if not ipv6_is_there():
        raise Unavailable("no IPv6 on loopback")
    proxied.start(asks=proxied.kind.knows_ferry)
    for scheme in SCHEMES:
        with proxied.client(program, proxied.origin(scheme, "[::1]"), proxied.url()) as client:
            yield from labelled(scheme, all_answered(client.send(count=20), 20))
            yield from nothing_left(client)
    asked = [" ".join(words) if isinstance(words, tuple) else words for words in proxied.asked()]
    yield f"asked for {asked[0]} and {asked[-1]}", all("::1" in words for words in asked)


def passwords(proxied, program):
    """A wrong password, and none: the proxy's answer for http, an error for https. The origin sees nothing of it."""
    proxied.start()
    for label, proxy, status in (("wrong", proxied.url(password="open"), proxied.kind.wrong),
                                 ("none", proxied.url(user=""), 407)):
        why = "the proxy wants authentication" if status == 407 else "the proxy refused"
        with proxied.client(program, proxied.origin("http"), proxy) as client:
            yield from labelled(f"http, {label}", answered_with(client.send(count=3), 3, status))
            yield from nothing_left(client)
        with proxied.client(program, proxied.origin("https"), proxy) as client:
            yield from labelled(f"https, {label}", no_way(
                client.send(count=3), 3, why, f"it answers {status}", "going through the proxy"))
            yield from nothing_left(client)
    yield f"{len(proxied.heads())} requests at the origin", not proxied.heads()


def origin_down(proxied, program):
    """It is for the proxy to say so."""
    proxied.start()
    status = proxied.kind.down
    with proxied.client(program, f"http://localhost:{proxied.dead_port}", proxied.url()) as client:
        yield from labelled("http", answered_with(client.send(count=3), 3, status))
        yield from nothing_left(client)
    with proxied.client(program, f"https://localhost:{proxied.dead_port}", proxied.url()) as client:
        yield from labelled("https", no_way(client.send(count=3), 3, "the proxy refused", f"it answers {status}",
                                            f"localhost:{proxied.dead_port}"))
        yield from nothing_left(client)


def proxy_down(proxied, program):
    """It is killed, and then is there again: no GET is lost but while it is away."""
    proxied.start(asks=proxied.kind.knows_ferry)
    clients = {scheme: proxied.client(program, proxied.origin(scheme), proxied.url()) for scheme in SCHEMES}
    try:
        for scheme, client in clients.items():
            yield from labelled(scheme, all_answered(client.send(count=20, at_a_time=2), 20))
        proxied.end(signal.SIGKILL)
        for scheme, client in clients.items():
            yield from labelled(f"{scheme}, killed", no_way(client.send(count=4), 4, "connection refused",
                                                            f"127.0.0.1:{proxied.port}"))
        (proxied.directory / "log" / "squid.pid").unlink(missing_ok=True)
        proxied.start_again()
        for scheme, client in clients.items():
            yield from labelled(f"{scheme}, again", all_answered(client.send(count=20, at_a_time=2), 20))
        proxied.end()  # With connections that are kept.
        proxied.start_again()
        for scheme, client in clients.items():
            yield from labelled(f"{scheme}, once more", all_answered(client.send(count=20, at_a_time=2), 20))
            yield from nothing_left(client)
    finally:
        for client in clients.values():
            client.__exit__()


def proxy_frozen(proxied, program):
    """It is connected to, but does not say a word: the time limit is that of connecting."""
    proxied.start(asks=proxied.kind.knows_ferry)
    for scheme in SCHEMES:
        if scheme == "http" == proxied.kind.scheme:
            continue  # There is nothing to say before the request, whose limits are its own.
        with proxied.client(program, proxied.origin(scheme), proxied.url(), connect_ms=700) as client:
            os.killpg(proxied.process.pid, signal.SIGSTOP)
            try:
                report = client.send(count=2, at_a_time=2)
            finally:
                os.killpg(proxied.process.pid, signal.SIGCONT)
            yield (f"{scheme}: {in_words(report)} after {report['slowest_ms']} ms: {[*report['failures']]}",
                   report["failed"] == {"get": {"timeout: the proxy timed out, new connection": 2}}
                   and 700 <= report["slowest_ms"] < 2000)
            yield from labelled(f"{scheme}, thawed", all_answered(client.send(count=20, at_a_time=2), 20))
            yield from nothing_left(client)


def proxy_with_tls(proxied, program):
    """The way to the proxy is secured itself: for https that is TLS inside TLS."""
    if not proxied.kind.speaks_tls:
        return
    proxied.start()
    proxy = proxied.url(secure=True)
    for scheme in SCHEMES:
        with proxied.client(program, proxied.origin(scheme), proxy) as client:
            report = client.send(kinds=MIXED, count=120, at_a_time=4)
            yield from labelled(scheme, all_answered(report, 120))
            yield from labelled(scheme, [few_connections(report)])
            yield from nothing_left(client)
        with proxied.client(program, proxied.origin(scheme), proxied.url(secure=True, password="open")) as client:
            if scheme == "http":
                yield from labelled("http, a wrong password", answered_with(client.send(count=2), 2, 407))
            else:
                yield from labelled("https, a wrong password", no_way(
                    client.send(count=2), 2, "the proxy wants authentication", "it answers 407"))
        # One whose certificate is not to be trusted learns no password.
        with Client(program, proxied.origin(scheme), proxy=proxy) as client:
            yield from labelled(f"{scheme}, a strange proxy", no_way(
                client.send(count=2), 2, "the server's certificate was rejected", "unable to get local issuer"))
            yield from nothing_left(client)
    yield from kept_to_itself(proxied)
    asked = proxied.asked()
    yield (f"{len(asked)} requests in the proxy's log",
           sum(method != "CONNECT" for method, _ in asked) == 122)  # Those with the wrong password are two.


# --- SOCKS --------------------------------------------------------------------------------------


def socks(proxied, program):
    """socks5 with a name that only the client knows, socks5h with one that the proxy has to look up."""
    proxied.start(asks=proxied.kind.knows_ferry)
    opened = 0
    for way, host, words in (("socks5", "ferry.test", {"host_ferry.test": "127.0.0.1"}), ("socks5h", "localhost", {})):
        for scheme in SCHEMES:
            with proxied.client(program, proxied.origin(scheme, host), proxied.url(scheme=way), **words) as client:
                report = client.send(kinds=MIXED, count=120, at_a_time=4)
                yield from labelled(f"{way}, {scheme}", all_answered(report, 120))
                yield from labelled(f"{way}, {scheme}", [few_connections(report)])
                yield from nothing_left(client)
                opened += client("status")["opened"]  # A dial may end after the last request.
    asked = proxied.asked()
    hosts = {re.sub(r"[.:]\d+$", "", target) for target in asked}
    yield f"{len(asked)} requests in the proxy's log, for {hosts}", len(asked) == opened
    if proxied.kind.logs_names:
        yield "one looked up here, and one there", hosts == {"127.0.0.1", "localhost"}
    connections = {head["connection"] for head in proxied.heads()}
    yield f"{len(connections)} connections at the origin", len(connections) <= opened


def socks_without_password(proxied, program):
    """One that wants none, whether one is offered or not."""
    proxied.start(asks=False)
    for label, proxy in (("none", proxied.url(user="")), ("one that nobody asks for", proxied.url())):
        for scheme in SCHEMES:
            with proxied.client(program, proxied.origin(scheme), proxy) as client:
                yield from labelled(f"{label}, {scheme}", all_answered(client.send(count=20), 20))


def socks_passwords(proxied, program):
    """A wrong password, and none."""
    proxied.start()
    for way in ("socks5", "socks5h"):
        for label, proxy, why in (("wrong", proxied.url(scheme=way, password="open"), "it refuses the password"),
                                  ("none", proxied.url(scheme=way, user=""), "it wants a password")):
            for scheme in SCHEMES:
                with proxied.client(program, proxied.origin(scheme), proxy) as client:
                    yield from labelled(f"{way}, {scheme}, {label}", no_way(
                        client.send(count=2), 2, "the proxy wants authentication", why, "going through the proxy"))
                    yield from nothing_left(client)
    yield f"{len(proxied.heads())} requests at the origin", not proxied.heads()


def socks_unreachable(proxied, program):
    """Nobody is there, or there is no way there."""
    proxied.start(asks=proxied.kind.knows_ferry)
    # No TCP leads to a multicast address, whatever the routes.
    for host, why in (("localhost", "connection refused"), ("224.0.0.1", "network unreachable")):
        for way in ("socks5", "socks5h"):
            for scheme in SCHEMES:
                url = f"{scheme}://{host}:{proxied.dead_port}"
                with proxied.client(program, url, proxied.url(scheme=way)) as client:
                    yield from labelled(f"{way}, {scheme}", no_way(
                        client.send(count=3), 3, "the proxy refused", f"{host}:{proxied.dead_port}", why))
                    yield from nothing_left(client)


# --- nginx --------------------------------------------------------------------------------------

SAYS_WHERE = "location = /where { return 200 \"$http_host-$remote_addr\"; }"


def where(host, address):
    return {"path": "/where", "expect": f"{host}-{address}"}


def unix_sockets(nginx, program):
    """By option, by URL, with TLS; and how it looks if nobody is there."""
    plain, secure = (nginx.rig.directory / name for name in ("plain.sock", "secure.sock"))
    nginx.add(f"listen unix:{plain}; {SAYS_WHERE}", certificate=None)
    nginx.add(f"listen unix:{secure} ssl; {SAYS_WHERE}")
    nginx.start(at=plain)
    by_url = f"http+unix://{quote(str(plain), safe='')}"
    ways = {"by option": ("http://nowhere.test", "nowhere.test", {"unix": plain}),
            "by URL": (by_url, "localhost", {}),
            "with TLS": ("https://localhost", "localhost", {"unix": secure, "ca": nginx.ca})}
    for label, (url, host, words) in ways.items():
        with Client(program, url, **words) as client:
            report = client.send(count=2000, at_a_time=32, **where(host, "unix:"))
            yield from labelled(label, all_answered(report, 2000))
            yield (f"{label}: {report['opened']} opened, {report['reused']} times reused, over {report['tls']}",
                   report["opened"] <= 32 and sum(report["tls"].values()) == 2000 * (label == "with TLS"))
            yield from nothing_left(client)
    with Client(program, by_url) as client:
        client.send(count=4, at_a_time=4, **HELLO)
        os.killpg(nginx.process.pid, signal.SIGKILL)  # Which leaves the sockets' files behind.
        tls.wait_for_end(nginx.process)
        yield from labelled("killed", no_way(client.send(count=3, **HELLO), 3, "connection refused", str(plain)))
        plain.unlink()
        yield from labelled("not there", no_way(client.send(count=3, **HELLO), 3, "could not connect", str(plain)))
        secure.unlink()
        nginx.start(at=plain)
        yield from labelled("again", all_answered(client.send(count=20, at_a_time=4, **HELLO), 20))
        yield from nothing_left(client)
    for label, (url, _, words) in ways.items():
        if label != "by URL":  # A socket comes before a proxy, as it does in curl.
            with Client(program, url, proxy=f"http://127.0.0.1:{servers.free_port()}", **words) as client:
                yield from labelled(f"{label}, past a proxy", all_answered(client.send(count=4, **HELLO), 4))


def ipv6_loopback(nginx, program):
    if not ipv6_is_there():
        raise Unavailable("no IPv6 on loopback")
    ports = {scheme: servers.free_port() for scheme in SCHEMES}
    nginx.add(f"listen [::1]:{ports['http']}; {SAYS_WHERE}", port=ports["http"], certificate=None)
    nginx.add(f"listen [::1]:{ports['https']} ssl; {SAYS_WHERE}", port=ports["https"])
    nginx.start()
    for scheme, port in ports.items():
        with Client(program, f"{scheme}://[::1]:{port}", ca=nginx.ca) as client:
            report = client.send(count=200, at_a_time=8, **where(f"[::1]:{port}", "::1"))
            yield from labelled(scheme, all_answered(report, 200))
            yield f"{scheme}: {report['opened']} opened, over {report['tls']}", report["opened"] <= 8
            yield from nothing_left(client)


# --- networks -----------------------------------------------------------------------------------

DELAY_MS, LOSS = 50, 0.05  # Each way.
NEAR, FAR, NOWHERE = (("10.213.0." + n, "fd00:213::" + n) for n in "129")


class Wire(threading.Thread):
    """Carries frames between two taps as netem would, for kernels that were built without it."""

    TUNSETIFF, TAP_WITHOUT_HEADER = 0x400454CA, 0x1002

    def __init__(self, *names):
        super().__init__(daemon=True)
        self.taps = []
        self.over, self.end = os.pipe()
        for name in names:
            try:
                self.taps.append(os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK))
                fcntl.ioctl(self.taps[-1], self.TUNSETIFF, struct.pack("16sH22x", name.encode(), self.TAP_WITHOUT_HEADER))
            except OSError as error:
                self.close()
                raise Unavailable(f"/dev/net/tun: {error.strerror}")

    def run(self):
        waiting = []
        while True:
            timeout = max(0, waiting[0][0] - time.monotonic()) if waiting else None
            readable = select.select([*self.taps, self.over], [], [], timeout)[0]
            if self.over in readable:
                return
            for tap in readable:
                frame = os.read(tap, 65536)
                if random.random() >= LOSS:
                    other = self.taps[tap == self.taps[0]]
                    heapq.heappush(waiting, (time.monotonic() + DELAY_MS / 1000, len(waiting), other, frame))
            while waiting and waiting[0][0] <= time.monotonic():
                _, _, tap, frame = heapq.heappop(waiting)
                try:
                    os.write(tap, frame)
                except OSError:
                    pass  # Its interface is down, or its queue is full: one more that is lost.

    def close(self):
        os.write(self.end, b".")
        if self.is_alive():
            self.join()
        for descriptor in (*self.taps, self.over, self.end):
            os.close(descriptor)


class Network(tls.Sites):
    """nginx in a network namespace of its own, and the client in another; what is between them is called `wire`."""

    def __init__(self, rig):
        super().__init__(rig)
        self.names = [f"ferry-{os.getpid()}-{side}" for side in ("near", "far")]
        self.made, self.wire, self.lossy_by = [], None, None

    def __enter__(self):
        try:
            for name in self.names:
                self.run("ip", "netns", "add", name)
                self.made.append(name)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *reason):
        self.rig.stop_all()  # What runs in a namespace would keep it.
        for name in self.made:
            subprocess.run(["ip", "netns", "delete", name])
        if self.wire:
            self.wire.close()

    @staticmethod
    def run(*command):
        """What is refused to us here is no failure of ferry's."""
        try:
            done = subprocess.run(command, capture_output=True, text=True, env=dict(os.environ, LANG="C"))
        except FileNotFoundError:
            raise Unavailable(f"there is no {command[0]}")
        if done.returncode != 0:
            raise Unavailable(f"{' '.join(command)}: {done.stderr.strip()}")
        return done.stdout

    def connect(self, lossy=False):
        near, far = self.names
        self.run("ip", "-n", near, "link", "add", "wire", "type", "veth", "peer", "name", "wire", "netns", far)
        if lossy:
            try:
                for name in self.names:
                    self.run("tc", "-n", name, "qdisc", "add", "dev", "wire", "root", "netem",
                             "delay", f"{DELAY_MS}ms", "loss", f"{LOSS:.0%}")
                self.lossy_by = "netem"
            except Unavailable:
                self.run("ip", "-n", near, "link", "delete", "wire")
                self.connect_taps()
        for name, addresses in zip(self.names, (NEAR, FAR)):
            for address, bits in zip(addresses, ("/24", "/64")):
                self.run("ip", "-n", name, "address", "add", address + bits, "dev", "wire", *["nodad"] * (bits == "/64"))
            for interface in ("lo", "wire"):
                self.run("ip", "-n", name, "link", "set", interface, "up")
        for address in NOWHERE:  # What is sent there reaches a card that is not meant: silence, where none would be an error.
            self.run("ip", "-n", near, "neighbour", "add", address, "lladdr", "02:00:00:00:02:13", "dev", "wire",
                     "nud", "permanent")

    def connect_taps(self):
        taps = [f"fy{os.getpid()}{side}" for side in "nf"]
        self.wire = Wire(*taps)
        for name, tap in zip(self.names, taps):
            self.run("ip", "link", "set", tap, "netns", name, "name", "wire")
        self.wire.start()
        self.lossy_by = "a wire of our own, for want of netem"

    def serve(self):
        """Returns the ports by scheme, on all addresses."""
        ports = {}
        for scheme, secure in (("http", ""), ("https", " ssl")):
            port = ports[scheme] = servers.free_port()
            at = self.rig.directory / f"{scheme}.sock"
            lines = f"listen {FAR[0]}:{port}{secure}; listen [{FAR[1]}]:{port}{secure}; listen unix:{at}; {SAYS_WHERE}"
            self.add(lines, "server" if secure else None, port)
        self.start("ip", "netns", "exec", self.names[1], at=self.rig.directory / "http.sock")
        return ports

    def program(self, program):
        """The client, in its namespace."""
        script = self.rig.directory / "load"
        script.write_text(f"#!/bin/sh\nexec ip netns exec {self.names[0]} '{program}' \"$@\"\n")
        script.chmod(0o755)
        return script

    def retransmitted(self):
        """How many segments, by both sides."""
        text = "".join(self.run("ip", "netns", "exec", name, "cat", "/proc/net/snmp") for name in self.names)
        tcp = [line.split()[1:] for line in text.splitlines() if line.startswith("Tcp:")]
        return sum(int(dict(zip(*pair))["RetransSegs"]) for pair in (tcp[:2], tcp[2:]))


def losses(network, program):
    """Delay and lost packets, both ways: slower, and no more than that."""
    with network:
        network.connect(lossy=True)
        program = network.program(program)
        for scheme, port in network.serve().items():
            for way, host in (("IPv4", FAR[0]), ("IPv6", f"[{FAR[1]}]")):
                words = {"host_ferry.test": host.strip("[]"), "connect_ms": 60_000}
                with Client(program, f"{scheme}://ferry.test:{port}", ca=network.ca, **words) as client:
                    report = client.send(count=200, at_a_time=16, **HELLO)
                    yield from labelled(f"{scheme}, {way}", all_answered(report, 200))
                    yield (f"{scheme}, {way}: {report['opened']} opened, the slowest after {report['slowest_ms']} ms",
                           report["slowest_ms"] >= 2 * DELAY_MS)
                    yield from nothing_left(client)
        number = network.retransmitted()
        yield f"by {network.lossy_by}: {number} segments were sent again", number > 0


def black_holes(network, program):
    """Addresses that never answer: the other family does in their place, and the time limit holds if there is none."""
    nowhere4, nowhere6 = NOWHERE
    with network:
        network.connect()
        program = network.program(program)
        ports = network.serve()
        cases = [("IPv6 leads nowhere", [nowhere6, FAR[0]], 250), ("IPv4 leads nowhere", [nowhere4, FAR[1]], 250),
                 ("two lead nowhere", [nowhere6, nowhere4, FAR[1], FAR[0]], 500),
                 ("no route", ["2001:db8::1", FAR[0]], 0), ("none does", [FAR[1], FAR[0]], 0)]
        for label, addresses, least in cases:
            for scheme, port in ports.items():
                words = {"host_ferry.test": ",".join(addresses)}
                times = []
                for _ in range(3):  # The quickest counts: a busy machine is no slow network.
                    with Client(program, f"{scheme}://ferry.test:{port}", ca=network.ca, **words) as client:
                        report = client.send(count=1, **HELLO)
                        times.append(report["slowest_ms"])
                        yield from labelled(f"{label}, {scheme}", all_answered(report, 1))
                        report = client.send(count=50, at_a_time=8, **HELLO)
                        yield from labelled(f"{label}, {scheme}, all", all_answered(report, 50))
                        yield from nothing_left(client)
                # A connect may take 10 s.
                yield (f"{label}, {scheme}: after {min(times)} ms", least <= min(times) < least + 240)
        for label, addresses in (("IPv4", [nowhere4]), ("IPv6", [nowhere6]), ("both", [nowhere6, nowhere4])):
            words = {"host_ferry.test": ",".join(addresses), "connect_ms": 700}
            with Client(program, f"http://ferry.test:{ports['http']}", **words) as client:
                report = client.send(count=2, at_a_time=2, **HELLO)
                yield (f"{label} alone: {in_words(report)} after {report['slowest_ms']} ms: {[*report['failures']]}",
                       report["failed"] == {"get": {"timeout: connecting timed out, new connection": 2}}
                       and 700 <= report["slowest_ms"] < 2000)
                yield from nothing_left(client)
    left = [name for name in network.names if Path("/run/netns", name).exists()]
    yield f"of the namespaces {left or 'none'} is left", not left


HTTP_PROXY = [forwarded, tunnelled, ipv6_origins, passwords, origin_down, proxy_down, proxy_frozen, proxy_with_tls]
SOCKS = [socks, socks_without_password, socks_passwords, socks_unreachable, ipv6_origins, proxy_down, proxy_frozen]
NGINX = [unix_sockets, ipv6_loopback]
NETWORK = [losses, black_holes]
