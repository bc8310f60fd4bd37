"""What goes right and wrong with TLS itself, with servers that are set up for each case. Each scenario is
given a `Sites` or an `SServer`, and the client program, and yields what it saw, and whether that is as it
must be."""

import os
import signal
import subprocess
import time

import fleet
import servers
from scenarios import REFUSED, Client, in_words, nothing_left

VERSIONS = ("TLSv1.2", "TLSv1.3")
OPTIONS = [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")]  # s_server's for them.
HELLO = {"path": "/hello", "expect": "hello"}


def wait_for_end(process):
    try:
        process.wait(timeout=60)
    except subprocess.TimeoutExpired:
        raise servers.Failure(f"{process.args[0]} does not end within 60 s")


class Certified:
    """What has the certificates of certificates.sh, by their names there."""

    def __init__(self, rig):
        self.rig = rig
        self.certificates = servers.certificates(rig.directory)
        self.ca = self.path("ca")

    def path(self, name):
        return self.certificates / f"{name}.pem"

    def key(self, name):
        return self.certificates / f"{name}.key"

    def client(self, name):
        """What makes one of them the client's own."""
        return {"certificate": self.path(name), "key": self.key(name)}


class Sites(Certified):
    """An nginx with several sites, which differ in what they have to do with TLS, most on ports of their own."""

    def __init__(self, rig):
        super().__init__(rig)
        self.ports, self.blocks = [], []
        self.process = None

    def add(self, lines="", certificate="server", port=None):
        """Returns its port. Without a certificate it speaks plain HTTP."""
        port = port or servers.free_port()
        secure = (f" ssl; ssl_certificate {self.path(certificate)}; ssl_certificate_key {self.key(certificate)}"
                  if certificate else "")
        self.ports.append(port)
        self.blocks.append(f"  server {{\n    listen 127.0.0.1:{port}{secure};\n    {lines}\n"
                           '    location = /hello { return 200 "hello"; }\n  }')
        return port

    def start(self, *within, at=None):
        """In the namespace that the words `within` enter; it is there once it answers at that Unix socket."""
        config = self.rig.directory / "nginx.conf"
        config.write_text(fleet.filled("nginx-sites.conf", {
            "directory": self.rig.directory, "sites": "\n".join(self.blocks)}))
        nginx = [*within, "nginx", "-p", self.rig.directory, "-c", config, "-e", "stderr"]
        self.process = self.rig.start("nginx", nginx, at or self.ports[0])

    def end(self):
        self.process.send_signal(signal.SIGQUIT)
        wait_for_end(self.process)

    def access(self, port):
        """(method, path, status, what came of the client's certificate) of each request in a site's log. That is
        complete once nginx has ended, and so this ends it."""
        self.end()
        lines = [line.split(" ", 4) for line in (self.rig.directory / "access.log").read_text().splitlines()]
        return [tuple(words) for at, *words in lines if int(at) == port]


class SServer(Certified):
    """OpenSSL's own server, which serves one connection after the other, with one answer each."""

    def __init__(self, rig):
        super().__init__(rig)
        self.documents = rig.directory / "documents"
        self.documents.mkdir()
        (self.documents / "hello").write_text("hello")
        self.process = None

    def start(self, *options, certificate="server", how="-WWW"):
        """Returns its URL. What it serves begins with a head of its own, or, with how="-HTTP", with the file's."""
        port = servers.free_port()
        self.process = self.rig.start("s_server", [
            "openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-cert", self.path(certificate),
            "-key", self.key(certificate), how, *options], port, cwd=self.documents)
        return f"https://localhost:{port}"


# --- what is seen -------------------------------------------------------------------------------


def secured(report, count, *facts):
    """All of it was answered, over this."""
    good = sum(report["answered"].values()) == count and not report["failed"] and not report["wrong"]
    yield f"{in_words(report)}, over {report['tls']}{report['wrong'] or ''}", good and list(report["tls"]) == [*facts]


def not_secured(report, count, *words):
    """All of it has failed as connections were being secured, with these words; nothing is left open."""
    texts = list(report["failures"])
    good = (sum(report["failures"].values()) == count and not report["answered"] and not report["opened"]
            and len(texts) == 1 and all(word in texts[0] for word in [*words, "securing the connection"])
            and not report["idle"] and not report["active"])
    yield f"{in_words(report)}: {texts}", good


def rejected(report, count, *words):
    yield from not_secured(report, count, "the server's certificate was rejected", *words)


def bad_request(report, count, why):
    """All of it was answered with 400, for this reason."""
    wrong = report["wrong"]
    yield (f"{in_words(report)}: {wrong[0][:60] if wrong else ''}",
           len(wrong) == count and all("400" in text and why in text for text in wrong))


def labelled(label, checks):
    for text, good in checks:
        yield f"{label}: {text}", good


def connections(client, label, facts, resumed, count=1):
    """So many connections, one after the other, each with two GETs, and resumed or not."""
    reports = []
    for _ in range(count):
        client("close_idle")
        reports.append(client.send(count=2, **HELLO))
    good = all(report["tls"] == {facts + ", resumed" * resumed: 2} and report["opened"] == 1 and not report["wrong"]
               for report in reports)
    yield (f"{label}: {count} connections, " + "; ".join(sorted({f"{in_words(r)}, over {r['tls']}" for r in reports})),
           good)


# --- nginx --------------------------------------------------------------------------------------


def versions(nginx, program):
    """One version of TLS only, new enough for the client or too old."""
    old = nginx.add("ssl_protocols TLSv1.1; ssl_ciphers ALL:@SECLEVEL=0;")
    ports = {version: nginx.add(f"ssl_protocols {version};") for version in VERSIONS}
    nginx.start()
    for version, port in ports.items():
        for host in ("localhost", "127.0.0.1"):
            with Client(program, f"https://{host}:{port}", ca=nginx.ca) as client:
                report = client.send(count=50, **HELLO)
                yield from labelled(host, secured(report, 50, f"{version}, http/1.1"))
                yield (f"{version}: {report['opened']} opened, {report['reused']} times reused",
                       (report["opened"], report["reused"]) == (1, 49))
                yield from nothing_left(client)
    with Client(program, f"https://localhost:{ports['TLSv1.3']}", ca=nginx.ca, min_version="1.3") as client:
        yield from labelled("no less than 1.3", secured(client.send(count=2, **HELLO), 2, "TLSv1.3, http/1.1"))
    for port, least in ((ports["TLSv1.2"], "1.3"), (old, "1.2")):
        with Client(program, f"https://localhost:{port}", ca=nginx.ca, min_version=least) as client:
            yield from labelled(f"no less than {least}", not_secured(
                client.send(count=2, **HELLO), 2, "the TLS handshake failed", "protocol version"))
            yield from nothing_left(client)


def resumption(nginx, program):
    """Each connection after the first continues its session, if the server wants that, and the client does."""
    ways = {"by ticket": ("", True),
            "by the server's cache": ("ssl_session_tickets off; ssl_session_cache shared:@:1m;", True),
            "by neither": ("ssl_session_tickets off; ssl_session_cache off;", False),
            "not for long": ("ssl_session_timeout 1s;", False)}
    ports = {(version, way): nginx.add(f"ssl_protocols {version}; {lines.replace('@', version)}")
             for version in VERSIONS for way, (lines, _) in ways.items()}
    nginx.start()

    for (version, way), port in ports.items():
        url, facts, resumes = f"https://localhost:{port}", f"{version}, http/1.1", ways[way][1]
        with Client(program, url, ca=nginx.ca) as client:
            yield from connections(client, f"{way}, the first", facts, resumed=False)
            if way == "not for long":
                time.sleep(2.1)  # More than the one second, for those who count whole ones.
            yield from connections(client, f"{way}, later", facts, resumes, count=1 if way == "not for long" else 8)
            if way == "by ticket":
                nginx.end()
                nginx.start()
                yield from connections(client, "the server has forgotten its keys", facts, resumed=False)
                yield from connections(client, "and has given new tickets", facts, resumed=True, count=4)
            yield from nothing_left(client)
        if way == "by ticket":
            with Client(program, url, ca=nginx.ca, resume=0) as client:
                yield from connections(client, "not asked for", facts, resumed=False, count=2)


def client_certificates(nginx, program):
    """nginx lets everybody in, and answers those with 400 whom it does not want."""
    ports = {version: nginx.add(f"ssl_protocols {version}; ssl_verify_client on; ssl_client_certificate {nginx.ca};")
             for version in VERSIONS}
    nginx.start()
    for version, port in ports.items():
        url, facts = f"https://localhost:{port}", f"{version}, http/1.1"
        with Client(program, url, ca=nginx.ca, **nginx.client("client")) as client:
            yield from connections(client, "with one", facts, resumed=False)
            yield from connections(client, "with one, later", facts, resumed=True, count=4)
        for label, own, why in (("without", {}, "No required SSL certificate was sent"),
                                ("with a strange one", nginx.client("untrusted"), "The SSL certificate error")):
            with Client(program, url, ca=nginx.ca, **own) as client:
                yield from labelled(f"{version}, {label}", bad_request(client.send(count=2, **HELLO), 2, why))
                yield from nothing_left(client)
    seen = nginx.access(ports["TLSv1.3"])
    verdicts = [verdict.split(":")[0] for *_, verdict in seen]
    yield f"{len(seen)} requests in the server's log", verdicts == ["SUCCESS"] * 10 + ["NONE"] * 2 + ["FAILED"] * 2


def bad_certificates(nginx, program):
    """Whom the client will not talk to: nothing is sent, and nothing kept."""
    cases = [("expired", "localhost", "certificate has expired", "CN = a late server"),
             ("early", "localhost", "certificate is not yet valid", "CN = an early server"),
             ("self_signed", "localhost", "self-signed certificate", "CN = itself"),
             ("wrong_host", "localhost", "hostname mismatch", "CN = another server"),
             ("wrong_host", "127.0.0.1", "IP address mismatch", "CN = another server"),
             ("common_name", "localhost", "hostname mismatch", "CN = localhost"),
             ("untrusted", "localhost", "unable to get local issuer certificate", "CN = a strange server")]
    ports = [(nginx.add(f"ssl_protocols {version};", certificate=certificate), version, *case)
             for certificate, *case in cases for version in VERSIONS]
    of_the_tests = nginx.add()
    nginx.start()
    for port, version, host, *words in ports:
        with Client(program, f"https://{host}:{port}", ca=nginx.ca) as client:
            yield from labelled(version, rejected(client.send(count=4, at_a_time=2, **HELLO), 4, *words, f"for {host}"))
            yield from nothing_left(client)
    # The system does not trust who signed the others, the good one among them.
    with Client(program, f"https://localhost:{of_the_tests}") as client:
        yield from rejected(client.send(count=2, **HELLO), 2, "unable to get local issuer certificate",
                            "CN = a server", "for localhost")
    seen = [request for port, *_ in ports for request in nginx.access(port)] + nginx.access(of_the_tests)
    yield f"{len(seen)} requests in the server's log", not seen


def names(nginx, program):
    """Which certificate it shows depends on the name that it is asked for; an address is none."""
    port = nginx.add("ssl_protocols TLSv1.3; server_name other.test;", certificate="wrong_host")
    nginx.add("ssl_protocols TLSv1.3; server_name localhost;", port=port)
    nginx.start()
    with Client(program, f"https://localhost:{port}", ca=nginx.ca) as client:
        yield from secured(client.send(count=2, **HELLO), 2, "TLSv1.3, http/1.1")
    with Client(program, f"https://127.0.0.1:{port}", ca=nginx.ca) as client:
        yield from rejected(client.send(count=2, **HELLO), 2, "IP address mismatch", "DNS:other.test")


def wrong_scheme(nginx, program):
    """http for a port that speaks TLS, and the reverse."""
    secure, plain = nginx.add(), nginx.add(certificate=None)
    nginx.start()
    with Client(program, f"http://localhost:{secure}", ca=nginx.ca) as client:
        yield from labelled("http to https", bad_request(
            client.send(count=2, **HELLO), 2, "The plain HTTP request was sent to HTTPS port"))
        yield from nothing_left(client)
    with Client(program, f"https://localhost:{plain}", ca=nginx.ca) as client:
        yield from labelled("https to http", not_secured(
            client.send(count=2, **HELLO), 2, "the TLS handshake failed", "is this a port for http?"))
        yield from nothing_left(client)


# --- openssl s_server ---------------------------------------------------------------------------

CERTIFICATE_REQUIRED = {"TLSv1.2": "alert handshake failure", "TLSv1.3": "alert certificate required"}
LOST = "the connection was lost before the response began"


def pages(openssl, program):
    """Its answers have no length: where they end TLS has to say."""
    for option, version in OPTIONS:
        url = openssl.start(option)
        with Client(program, url, ca=openssl.ca, resume=0) as client:
            report = client.send(count=40, at_a_time=4, **HELLO)
            yield from secured(report, 40, version)
            yield f"{report['opened']} opened", report["opened"] == 40
            yield from nothing_left(client)


def parameters(openssl, program):
    """What it may insist on, or do differently."""
    (openssl.documents / "t-0").write_text("t-0" * 100_000)
    large = {"path": "/", "repeat": 100_000}
    cases = [("a group that the client does not guess", ["-groups", "P-384"], "TLSv1.3"),
             ("one cipher suite", ["-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256"], "TLSv1.3"),
             ("no tickets", ["-num_tickets", "0"], "TLSv1.3"),
             ("eight tickets", ["-num_tickets", "8"], "TLSv1.3"),
             ("records of 512 bytes", ["-max_send_frag", "512"], "TLSv1.3"),
             ("records of 512 bytes", ["-max_send_frag", "512", "-tls1_2"], "TLSv1.2"),
             ("a protocol by ALPN", ["-alpn", "h2,http/1.1"], "TLSv1.3, http/1.1")]
    for label, options, facts in cases:
        with Client(program, openssl.start(*options), ca=openssl.ca) as client:
            yield from labelled(label, secured(client.send(count=1, **large), 1, facts))
            yield from nothing_left(client)
    with Client(program, openssl.start("-alpn", "h2"), ca=openssl.ca) as client:
        yield from labelled("no protocol but HTTP/2", not_secured(
            client.send(count=2, **HELLO), 2, "the TLS handshake failed", "no application protocol"))
    with Client(program, openssl.start("-groups", "brainpoolP256r1", "-tls1_2"), ca=openssl.ca) as client:
        yield from labelled("nothing in common", not_secured(
            client.send(count=2, **HELLO), 2, "the TLS handshake failed", "handshake failure"))


def chains(openssl, program):
    """What is between a certificate and its root is the server's to send."""
    for options, good in ((["-cert_chain", openssl.path("intermediate")], True), ([], False)):
        with Client(program, openssl.start(*options, certificate="chained"), ca=openssl.ca, resume=0) as client:
            report = client.send(count=2, at_a_time=2, **HELLO)
            if good:
                yield from secured(report, 2, "TLSv1.3")
            else:
                yield from rejected(report, 2, "unable to get local issuer certificate", "CN = a server far down",
                                    "CN = in between", "for localhost")
            yield from nothing_left(client)


def sessions(openssl, program):
    """With tickets, with a cache only, and with neither."""
    for option, version in OPTIONS:
        for label, options, resumes in (("by ticket", [], True), ("by its cache", ["-no_ticket"], True),
                                        ("by neither", ["-no_ticket", "-no_cache"], False)):
            with Client(program, openssl.start(option, *options), ca=openssl.ca) as client:
                for expected, count in (False, 1), (resumes, 4):
                    report = client.send(count=count, **HELLO)
                    yield from labelled(label, secured(report, count, version + ", resumed" * expected))


def required_certificates(openssl, program):
    """Unlike nginx it ends the connection; in TLS 1.3 the client believes by then that it is secured."""
    require = ["-Verify", "1", "-verify_return_error", "-CAfile", openssl.ca]
    for option, version in OPTIONS:
        url = openssl.start(option, *require)
        with Client(program, url, ca=openssl.ca, resume=0, **openssl.client("client")) as client:
            yield from labelled("with one", secured(client.send(count=4, at_a_time=2, **HELLO), 4, version))
            yield from nothing_left(client)
        for label, own, why in (("without", {}, CERTIFICATE_REQUIRED[version]),
                                ("with a strange one", openssl.client("untrusted"), "unknown ca")):
            with Client(program, url, ca=openssl.ca, **own) as client:
                report = client.send(count=2, **HELLO)
                if version == "TLSv1.2":
                    yield from labelled(label, not_secured(report, 2, "the TLS handshake failed", why))
                else:
                    yield (f"{label}: {in_words(report)}: {[*report['failures']]}",
                           report["failed"] == {"get": {f"connection failed: {LOST}, new connection": 2}}
                           and all(why in text for text in report["failures"]))
                yield from nothing_left(client)


def few_connections(openssl, program):
    """It ends after so many, of which one was to see whether it is there."""
    with Client(program, openssl.start("-naccept", "6"), ca=openssl.ca) as client:
        yield from secured(client.send(count=5, **HELLO), 5, "TLSv1.3", "TLSv1.3, resumed")
        wait_for_end(openssl.process)
        report = client.send(count=3, **HELLO)
        yield in_words(report), report["failed"] == {"get": {REFUSED: 3}}
        yield from nothing_left(client)


def killed_in_handshake(openssl, program):
    """It is there, but stands still, and dies."""
    url = openssl.start()
    with Client(program, url, ca=openssl.ca) as client:
        openssl.process.send_signal(signal.SIGSTOP)
        client("start", count=2, at_a_time=2, **HELLO)
        client.until("two connections being opened", lambda report: report["connecting"] == 2)
        time.sleep(0.2)  # Until the handshakes have begun.
        openssl.process.kill()
        report = client("wait")
        yield from not_secured(report, 2, "the TLS handshake failed")
        yield from nothing_left(client)


def killed_in_answer(openssl, program):
    """The end of the connection is not that of the answer, whether that has told its length or not. What it serves
    is a pipe here, which gives it half of the answer, and the rest only to one that is not killed."""
    pieces = 32_000  # Half of it fits into the pipe: writing that cannot hang.
    body = "t-0" * pieces
    heads = {"-WWW": "", "-HTTP": f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n"}
    pipe = openssl.documents / "t-0"
    os.mkfifo(pipe)
    for option, version in OPTIONS:
        for how, head in heads.items():
            for killed in (False, True):
                url = openssl.start(option, how=how)
                with Client(program, url, ca=openssl.ca) as client, open(pipe, "r+b", buffering=0) as end:
                    client("start", path="/", repeat=pieces, count=1)
                    end.write((head + body[:len(body) // 2]).encode())
                    client.until("half an answer", lambda report: report["heads"] == 1)
                    if killed:
                        openssl.process.kill()
                    else:
                        end.write(body[len(body) // 2:].encode())
                        end.close()
                    report = client("wait")
                    label = f"{'with' if head else 'without'} a length, {'killed' if killed else 'not killed'}"
                    if killed:
                        why = "protocol error: the connection ended inside the response's body, new connection"
                        yield (f"{label}: {in_words(report)}: {[*report['failures']]}",
                               report["failed"] == {"get": {why: 1}} and not report["answered"])
                    else:
                        yield from labelled(label, secured(report, 1, version))
                    yield from nothing_left(client)


def ended_after_each(openssl, program):
    """It says that it keeps its connections, and does not: what is kept is seen to be of no use, and no GET is lost."""
    (openssl.documents / "hello").write_text("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
    for option, version in OPTIONS:
        with Client(program, openssl.start(option, how="-HTTP"), ca=openssl.ca) as client:
            report = client.send(count=100, **HELLO)
            yield from secured(report, 100, version, f"{version}, resumed")
            yield from nothing_left(client)


SITES = [versions, resumption, client_certificates, bad_certificates, names, wrong_scheme]
S_SERVER = [pages, parameters, chains, sessions, required_certificates, few_connections, killed_in_handshake,
            killed_in_answer, ended_after_each]
