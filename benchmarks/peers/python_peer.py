"""Python's clients. usage: python_peer.py requests.get|requests.Session|httpx.Client|aiohttp, then what
the other peers take. Prints the line that they print; exit code 3: it cannot do this."""

import argparse
import asyncio
import json
import resource
import ssl
import sys
import time
from concurrent.futures import ThreadPoolExecutor


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
    """Makes requests one after the other, on one thread for each request in flight. A request is
    `once(client)`, with the client of its thread."""

    def __init__(self, task, clients):
        self.task = task
        self.upload = b"x" * task.upload
        self.clients = clients

    def check(self, status, body):
        if status != 200 or len(body) != self.task.body:
            raise SystemExit(f"status {status}, {len(body)} bytes")

    def run(self, requests):
        each = -(-requests // self.task.concurrency)

        def several(client):
            latencies = []
            for _ in range(each):
                begin = time.perf_counter()
                self.once(client)
                latencies.append(time.perf_counter() - begin)
            return latencies

        if self.task.concurrency == 1:
            return several(self.clients[0])
        with ThreadPoolExecutor(self.task.concurrency) as threads:
            return [latency for found in threads.map(several, self.clients) for latency in found]


class Requests(Peer):
    def __init__(self, task):
        import requests
        # requests.get makes a new connection each time; a Session keeps its connection.
        super().__init__(task, [requests if task.new else requests.Session() for _ in range(task.concurrency)])

    def once(self, client):
        options = {"verify": self.task.ca} if self.task.ca else {}
        response = (client.post(self.task.url, data=self.upload, **options) if self.upload
                    else client.get(self.task.url, **options))
        self.check(response.status_code, response.content)


class Httpx(Peer):
    def __init__(self, task):
        import httpx
        # One client serves all requests: a client for each would spend nearly all its time on loading certificates.
        limits = httpx.Limits(max_keepalive_connections=0 if task.new else task.concurrency)
        context = ssl.create_default_context(cafile=task.ca) if task.ca else True
        super().__init__(task, [httpx.Client(verify=context, limits=limits)] * task.concurrency)

    def once(self, client):
        response = client.post(self.task.url, content=self.upload) if self.upload else client.get(self.task.url)
        self.check(response.status_code, response.content)


class Aiohttp(Peer):
    def __init__(self, task):
        super().__init__(task, [])
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
    if task.resume:
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
    print(json.dumps({"rate": len(latencies) / seconds, "cpu_us": 1e6 * used / len(latencies),
                      "p50_us": 1e6 * latencies[len(latencies) // 2], "p99_us": 1e6 * latencies[int(0.99 * (len(latencies) - 1))]}))
    return 0


sys.exit(main())
