"""Python's clients. usage: python_peer.py requests.get|requests.Session|httpx.Client|aiohttp, then what
the other peers take. Prints the line that they print; exit code 3: it cannot do this."""

import argparse
import asyncio
import json
import resource
import ssl
import sys
import time


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("client")
    parser.add_argument("url")
    for name in ("requests", "concurrency", "upload", "body"):
        parser.add_argument("--" + name, type=int, default=1 if name == "concurrency" else 0)
    parser.add_argument("--new", action="store_true")
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--ca")
    return parser.parse_args()


class Peer:
    """Makes requests one after the other; each is `once(client)`."""

    def __init__(self, task):
        self.task = task
        self.upload = b"x" * task.upload

    def check(self, status, body):
        if status != 200 or len(body) != self.task.body:
            raise SystemExit(f"status {status}, {len(body)} bytes")

    def run(self, requests):
        latencies = []
        for _ in range(requests):
            begin = time.perf_counter()
            self.once()
            latencies.append(time.perf_counter() - begin)
        return latencies


class Requests(Peer):
    def __init__(self, task):
        import requests
        super().__init__(task)
        self.requests = requests
        # requests.get is what makes a new connection each time; a Session is what keeps it.
        self.session = requests if task.new else requests.Session()

    def once(self):
        options = {"verify": self.task.ca} if self.task.ca else {}
        response = (self.session.post(self.task.url, data=self.upload, **options) if self.upload
                    else self.session.get(self.task.url, **options))
        self.check(response.status_code, response.content)


class Httpx(Peer):
    def __init__(self, task):
        import httpx
        super().__init__(task)
        self.httpx = httpx
        self.context = ssl.create_default_context(cafile=task.ca) if task.ca else True
        self.client = None if task.new else httpx.Client(verify=self.context)

    def once(self):
        if self.task.new:
            with self.httpx.Client(verify=self.context) as client:
                self.send(client)
        else:
            self.send(self.client)

    def send(self, client):
        response = client.post(self.task.url, content=self.upload) if self.upload else client.get(self.task.url)
        self.check(response.status_code, response.content)


class Aiohttp(Peer):
    def __init__(self, task):
        super().__init__(task)
        self.loop = asyncio.new_event_loop()
        self.loop.run_until_complete(self.open())

    async def open(self):
        import aiohttp
        context = ssl.create_default_context(cafile=self.task.ca) if self.task.ca else None
        self.session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(
            limit=self.task.concurrency, force_close=self.task.new, ssl=context))

    async def worker(self, left, latencies):
        while left[0] > 0:
            left[0] -= 1
            begin = time.perf_counter()
            call = (self.session.post(self.task.url, data=self.upload) if self.upload
                    else self.session.get(self.task.url))
            async with call as response:
                self.check(response.status, await response.read())
            latencies.append(time.perf_counter() - begin)

    async def run_all(self, requests):
        left, latencies = [requests], []
        await asyncio.gather(*(self.worker(left, latencies) for _ in range(self.task.concurrency)))
        return latencies

    def run(self, requests):
        return self.loop.run_until_complete(self.run_all(requests))


def main():
    task = arguments()
    if task.resume or (task.client != "aiohttp" and task.concurrency > 1):
        return 3
    kind = {"requests.get": Requests, "requests.Session": Requests, "httpx.Client": Httpx, "aiohttp": Aiohttp}[task.client]
    if task.client == "requests.get" and not task.new or task.client == "requests.Session" and task.new:
        return 3
    peer = kind(task)
    peer.run(max(task.requests // 10, 2 * task.concurrency))

    def cpu():
        usage = resource.getrusage(resource.RUSAGE_SELF)
        return usage.ru_utime + usage.ru_stime

    used, begin = cpu(), time.perf_counter()
    latencies = sorted(peer.run(task.requests))
    seconds, used = time.perf_counter() - begin, cpu() - used
    print(json.dumps({"rate": task.requests / seconds, "cpu_us": 1e6 * used / task.requests,
                      "p50_us": 1e6 * latencies[len(latencies) // 2], "p99_us": 1e6 * latencies[int(0.99 * (len(latencies) - 1))]}))
    return 0


sys.exit(main())
