"""What a client's pool goes through with a server. Each scenario is given a `fleet.Server` that is yet to
be started and the client program, and yields what it saw, and whether that is as it must be."""

import json
import select
import subprocess
import time
from collections import Counter

import fleet
import servers

MIXED = "get,post,keyed"  # In turn; a keyed one is a POST with Idempotency-Key.
REFUSED = "connection failed: connection refused, new connection"

NEW = "TLSv1.3, http/1.1"  # A session, in the client's words,
RESUMED = f"{NEW}, resumed"  # and one that continues another.

# How a request may fail while its server goes: it was not there, or it left before or amid an answer.
DEPARTURES = ("connection refused", "could not connect", "the connection was lost before the response began",
              "the connection ended inside the response's head", "the connection ended inside the response's body",
              "the TLS handshake failed")


class Client:
    """The load program: does as it is told, and answers with what came of it since its last `start`."""

    def __init__(self, program, url, idle_timeout="default", **options):
        words = [f"{name}={value}" for name, value in options.items() if value is not None]
        self.process = subprocess.Popen([str(program), url, str(idle_timeout), *words],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.descriptors = self("status")["descriptors"]

    def __enter__(self):
        return self

    def __exit__(self, *reason):
        self.process.kill()
        self.process.communicate()

    def __call__(self, command, **plan):
        words = " ".join([command, *(f"{name}={value}" for name, value in plan.items())])
        try:
            self.process.stdin.write(f"{words}\n".encode())
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # It has ended: there will be no line either.
        if not select.select([self.process.stdout], [], [], 120)[0]:
            raise servers.Failure(f"the client hangs: no answer to '{words}' in 120 s")
        line = self.process.stdout.readline()
        if not line:
            raise servers.Failure(f"the client ended at '{words}': {self.process.wait()}")
        return json.loads(line)

    def send(self, **plan):
        """Sends all of it, and returns what came of it."""
        self("start", **plan)
        return self("wait")

    def until(self, what, seen):
        """Lets the load run until its report, or the world, shows something."""
        deadline = time.monotonic() + 60
        while not seen(report := self("status")):
            if time.monotonic() > deadline:
                raise servers.Failure(f"{what}: not seen in 60 s; {in_words(report)}")
            time.sleep(0.01)

    def until_answered_by(self, server):
        """Lets the load run until the server has answered some of it in its present generation."""
        self.until(f"answers of generation {server.generation}",
                   lambda report: report["generations"].get(str(server.generation), 0) >= 500)


# --- what is seen -------------------------------------------------------------------------------


def in_words(report):
    answered = ", ".join(f"{number} {kind}" for kind, number in report["answered"].items()) or "none"
    parts = [answered + " answered"]
    parts += [f"{number} {kind} failed ({why})" for kind, failures in report["failed"].items()
              for why, number in failures.items()]
    if report["retried"]:
        parts.append(", ".join(f"{number} {method}" for method, number in report["retried"].items()) + " retried")
    return "; ".join(parts)


def own_answers(report):
    wrong = report["wrong"]
    yield f"every answer is that of its request{': not ' + wrong[0] if wrong else ''}", not wrong


def all_answered(report, count):
    yield in_words(report), sum(report["answered"].values()) == count and not report["failed"]
    yield from own_answers(report)


def all_secured(server, report, *facts):
    """Where the server speaks TLS: every answer came over that, and some of each of these kinds."""
    if server.kind.tls:
        seen = report["tls"]
        yield (f"over {seen}", sum(seen.values()) == sum(report["answered"].values())
               and {*facts} <= seen.keys() <= {NEW, RESUMED})


def only_posts_failed(report, *others):
    """Nothing that may be repeated has failed; a POST may have, as its server closed the connection."""
    kept = "connection failed: the connection was lost before the response began, kept connection"
    good = report["failed"].keys() <= {"post"} and report["failed"].get("post", {}).keys() <= {kept}
    yield "; ".join([in_words(report), *others]), good
    yield from own_answers(report)


def posts_came_once(server, report):
    """By the token that each POST carries, which the application notes as soon as it sees it. Reads the
    logs, and so ends the server."""
    server.end(server.kind.graceful)
    arrived = Counter(token for method, token in server.arrivals() if method == "POST")
    answered, failed = report["answered_posts"], report["failed_posts"]
    twice = [token for token in answered + failed if arrived[token] > 1]
    unseen = sum(arrived[token] == 0 for token in failed)
    yield (f"no POST arrived twice; of {len(failed)} that failed the application never saw {unseen}"
           + (f": not {twice[0]}" if twice else ""), not twice)
    lost = [token for token in answered if arrived[token] == 0]
    yield f"each of {len(answered)} POSTs answered had arrived{': not ' + lost[0] if lost else ''}", not lost
    if server.kind.logs_answers:
        said = {path.rsplit("/", 1)[1] for _, method, path, status in server.access() if method == "POST" and status == 200}
        hidden = [token for token in failed if token in said]
        yield f"none that failed was answered, by the server's log{': but ' + hidden[0] if hidden else ''}", not hidden


def nothing_left(client):
    end = client("close_idle")
    counts = {name: end[name] for name in ("active", "idle", "connecting", "waiting", "descriptors")}
    yield ("afterwards " + ", ".join(f"{number} {name}" for name, number in counts.items()),
           counts == {"active": 0, "idle": 0, "connecting": 0, "waiting": 0, "descriptors": client.descriptors})


# --- reuse --------------------------------------------------------------------------------------


def many_gets(server, program, count=10_000, at_a_time=64, **settings):
    """No more connections than run at a time, and one more for each that the server closed. (The sync
    worker closes each, so there their number says nothing.)"""
    server.start(keep_alive=75, **settings)
    with Client(program, server.url, ca=server.ca) as client:
        report = client.send(path="/hello", expect="hello", count=count, at_a_time=at_a_time)
        yield from all_answered(report, count)
        # Of those that are opened at once some may be so late that others already have tickets.
        yield from all_secured(server, report, NEW, *[RESUMED] * (report["opened"] > at_a_time))
        yield from nothing_left(client)
    if "worker_class" in settings:
        return
    opened, announced = report["opened"], report["announced_close"]
    met = report["closed"].get("closed by the server", 0) + sum(report["retried"].values())
    yield f"{opened} connections opened; {announced} closings announced, {met} met", opened <= at_a_time + announced + met
    server.end(server.kind.graceful)
    requests = Counter(connection for connection, *_ in server.access())
    # A dial that nobody waited for any more may have carried nothing; the reverse is a wrong count.
    yield f"{len(requests)} connections in the server's log", len(requests) <= opened
    limit = settings.get("max_requests")
    if limit and server.kind.name != "gunicorn":
        closed = sum(number // (limit + server.kind.beyond_limit) for number in requests.values())
        yield f"{closed} closed at the limit in the server's log", 0 < announced == closed


def few_gets_each(server, program):
    """The same, where the server ends connections after a few requests."""
    if server.kind.max_requests:
        yield from many_gets(server, program, max_requests=server.kind.max_requests)


def one_get_each(server, program):
    """The same, where it keeps none."""
    if server.kind.name == "gunicorn":
        yield from many_gets(server, program, worker_class="sync")


def reuse(server, program):
    """One after the other they ride one connection."""
    server.start(keep_alive=5)
    with Client(program, server.url, ca=server.ca) as client:
        report = client.send(kinds=MIXED, count=300)
        yield from all_answered(report, 300)
        yield from all_secured(server, report, NEW)
        yield (f"{report['opened']} opened, {report['reused']} times reused",
               (report["opened"], report["reused"]) == (1, 299))
    server.end(server.kind.graceful)
    seen = {connection for connection, *_ in server.access()}
    yield f"{len(seen)} in the server's log", len(seen) == 1


def resumed(server, program):
    """New connections continue sessions, also those of a server that has been restarted, as soon as it has given some."""
    if not server.kind.tls:
        return
    server.start()
    with Client(program, server.url, ca=server.ca) as client:
        for life in range(2):
            for facts in (NEW, RESUMED, RESUMED, RESUMED):
                client("close_idle")
                report = client.send(kinds=MIXED, count=30)
                yield from all_answered(report, 30)
                yield f"over {report['tls']}", report["tls"] == {facts: 30}
            if life == 0:
                server.end(server.kind.graceful)
                server.start_again()
        yield from nothing_left(client)


def shapes(server, program):
    """Chunked answers, and those of HTTP/1.0 or without a length."""
    server.start(keep_alive=5)
    with Client(program, server.url, ca=server.ca) as client:
        for path in server.kind.shapes:
            version, chunked, pieces, kept = fleet.SHAPES[path]
            client("close_idle")
            # No POSTs: Caddy 2.6 cuts an answer to one short if it begins while the request is passed on.
            report = client.send(path=path, repeat=pieces, count=60)
            yield from ((f"{path} {text}", good) for text, good in all_answered(report, 60))
            yield (f"{path} {version}{', chunked' * chunked}: {report['opened']} connections opened",
                   report["versions"] == {version: 60} and report["chunked"] == 60 * chunked
                   and report["opened"] == (1 if kept else 60))


# --- expiry -------------------------------------------------------------------------------------


def expiry(server, program):
    """Requests are sent about the very moment at which the server closes their connections."""
    server.start(keep_alive=1, hint=False)
    times = server.closing_times()
    with Client(program, server.url, idle_timeout=600, ca=server.ca) as client:
        report = client.send(kinds=MIXED, ask=0, bursts=6, groups=16, at_a_time=16,
                             from_us=int(1e6 * (min(times) - 0.04)), to_us=int(1e6 * (max(times) + 0.03)))
        noticed = report["closed"].get("closed by the server", 0)
        yield from only_posts_failed(report, f"{report['reused']} reused, {noticed} seen to be closed")
        yield "some were still open, and some were not", report["reused"] > 0 < noticed
        yield from nothing_left(client)
    yield from posts_came_once(server, report)


def expiry_while_frozen(server, program):
    """The server stands still as its connections expire, and requests come in meanwhile."""
    server.start(keep_alive=1, hint=False)
    expires = min(server.closing_times())
    with Client(program, server.url, idle_timeout=600, ca=server.ca) as client:
        client.send(count=64, ask=0, at_a_time=64)
        time.sleep(expires - 0.3)
        server.freeze()
        try:
            client("start", kinds=MIXED, count=64, at_a_time=64)
            client.until("all requests on their way", lambda report: report["sent"] >= 64)
            time.sleep(0.5)
        finally:
            server.thaw()
        report = client("wait")
        yield from only_posts_failed(report)
        yield from nothing_left(client)
    yield from posts_came_once(server, report)


def hints(server, program):
    """A server says for how long it keeps connections: they are not used in their last second."""
    if not server.kind.hints:
        return
    server.start(keep_alive=2)
    with Client(program, server.url, ca=server.ca) as client:
        report = client.send(kinds=MIXED, bursts=4, groups=8, at_a_time=1,
                             from_us=1_010_000, to_us=1_900_000)
        yield from all_answered(report, 32)
        yield (f"{report['hinted']} hints; {report['opened']} opened; closed: {report['closed']}",
               report["hinted"] == report["opened"] == 32 and report["closed"] == {"idle for too long": 24}
               and not report["retried"])


# --- reload, restart, end -----------------------------------------------------------------------


def slow_requests(server, client, count):
    """Leaves the client with so many requests that the application has seen and not answered."""
    client("start", path="/slow/", kinds=MIXED, count=count, at_a_time=count, tag="slow")
    client.until("slow requests at the application",
                 lambda _: sum(token.startswith("slow-") for _, token in server.arrivals()) == count)


def reload_under_load(server, program):
    server.start()
    with Client(program, server.url, ca=server.ca) as client:
        client("start", kinds=MIXED, at_a_time=32)
        client.until_answered_by(server)
        for _ in range(3):
            server.reload()
            client.until_answered_by(server)
        report = client("stop")
        yield from only_posts_failed(report, f"by generation: {report['generations']}")
        yield from nothing_left(client)
    yield from posts_came_once(server, report)


def restart_under_load(server, program):
    server.start()
    with Client(program, server.url, ca=server.ca) as client:
        client("start", kinds=MIXED, at_a_time=32)
        client.until_answered_by(server)
        for _ in range(2):
            server.end(server.kind.fast)
            before = client("status")["failed"].get("get", {}).get(REFUSED, 0)
            client.until("refusal", lambda report: report["failed"].get("get", {}).get(REFUSED, 0) > before)
            server.start_again()
            client.until_answered_by(server)
        report = client("stop")
        reasons = {why.split(": ", 1)[1].rsplit(", ", 1)[0] for failures in report["failed"].values() for why in failures}
        yield f"{in_words(report)}; by generation: {report['generations']}", reasons <= set(DEPARTURES)
        yield from own_answers(report)
        yield from (("the same client, again: " + text, good)
                    for text, good in all_answered(client.send(kinds=MIXED, count=300, at_a_time=32, tag="again"), 300))
        yield from nothing_left(client)
    yield from posts_came_once(server, report)


def killed_workers(server, program):
    """The application has seen the requests as their connections break, and the server is still there:
    the place where a POST would arrive twice."""
    if not server.kind.has_workers:
        return
    server.start(keep_alive=5)
    with Client(program, server.url, ca=server.ca) as client:
        client.send(count=18, at_a_time=18, path="/slow/", tag="before")  # All at once: so many connections.
        slow_requests(server, client, 18)
        server.kill_workers()
        report = client("wait")
        yield from only_posts_failed(report)
        yield "all 6 POSTs failed, and the others were retried", (
            len(report["failed_posts"]) == 6 and sum(report["retried"].values()) == 12)
        yield from nothing_left(client)
    yield from posts_came_once(server, report)


def graceful_end(server, program):
    """It is told to end while its answers are slow."""
    server.start()
    with Client(program, server.url, ca=server.ca) as client:
        client.send(count=32, at_a_time=32)
        slow_requests(server, client, 18)
        server.end(server.kind.graceful)
        yield from all_answered(client("wait"), 18)
        after = client.send(kinds=MIXED, count=30, at_a_time=8, tag="after")
        yield (f"{in_words(after)}, the slowest after {after['slowest_ms']} ms",
               after["failed"] == dict.fromkeys(MIXED.split(","), {REFUSED: 10}) and after["slowest_ms"] < 1000)
        yield from nothing_left(client)


ALL = [many_gets, few_gets_each, one_get_each, reuse, resumed, shapes, expiry, expiry_while_frozen, hints,
       reload_under_load, restart_under_load, killed_workers, graceful_end]
