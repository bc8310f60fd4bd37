"""A WebSocket server, of whose paths each does something else that a client has to cope with. Notes how each
conversation has ended, a line with its path and the code, in DIRECTORY/ended.log.

usage: websocket.py DIRECTORY PORT TLS_PORT"""

import asyncio
import http
import socket
import ssl
import struct
import sys
from pathlib import Path

from websockets.exceptions import ConnectionClosed
from websockets.legacy.server import WebSocketServerProtocol, serve

DIRECTORY = Path(sys.argv[1])
PORT, TLS_PORT = map(int, sys.argv[2:])


def text(size):
    """As websocket.cpp makes it."""
    return "".join(chr(ord("a") + place % 251 % 26) for place in range(size))


def set_option(client, *option):
    client.transport.get_extra_info("socket").setsockopt(*option)


async def echo(client):
    async for message in client:
        await client.send(message)


async def greeting(client, size):
    """Leaves in the very segment of the 101 that `Server` has kept back."""
    await client.send(text(int(size)))
    set_option(client, socket.IPPROTO_TCP, socket.TCP_CORK, 0)
    await echo(client)


async def parts(client, *sizes):
    """One message, in frames of these sizes, and an empty one."""
    whole, begin = text(sum(map(int, sizes))), 0
    frames = []
    for size in map(int, sizes):
        frames.append(whole[begin:begin + size])
        begin += size
    await client.send(frames)
    await echo(client)


async def pings(client):
    """Says so when three of its own were answered."""
    for word in "", "here?", "x" * 125:
        await (await client.ping(word))
    await client.send(text(3))
    await echo(client)


met = []


async def meeting(client, count):
    """Says nothing until so many are there; then another meeting may begin."""
    met.append(client)
    if len(met) == int(count):
        await asyncio.gather(*(each.send(text(len(met))) for each in met))
        met.clear()
    await echo(client)


async def closing(client):
    await client.close(4000, "enough")


async def ended(client):
    """Without a word, which is against RFC 6455."""
    client.transport.close()


async def cut(client):
    """Nor does TLS say one."""
    client.transport.abort()


async def reset(client):
    set_option(client, socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.transport.abort()


PATHS = {path.__name__: path for path in (echo, greeting, parts, pings, meeting, closing, ended, cut, reset)}


async def converse(client):
    _, path, *words = client.path.split("/")
    try:
        await PATHS[path](client, *words)
    except ConnectionClosed:
        pass
    await client.wait_closed()
    with (DIRECTORY / "ended.log").open("a") as log:
        log.write(f"{client.path} {client.close_code}\n")


class Server(WebSocketServerProtocol):
    async def process_request(self, path, headers):
        name = path.split("/")[1]
        if name not in PATHS:
            return http.HTTPStatus.NOT_FOUND, [], b"no such path"
        if name == "greeting":
            set_option(self, socket.IPPROTO_TCP, socket.TCP_CORK, 1)


async def main():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(DIRECTORY / "certificates/server.pem", DIRECTORY / "certificates/server.key")
    options = {"create_protocol": Server, "origins": [None, "http://friend.test"], "subprotocols": ["echo"],
               "ping_interval": None, "max_size": None}
    async with serve(converse, "127.0.0.1", TLS_PORT, ssl=context, **options), \
            serve(converse, "127.0.0.1", PORT, **options):
        await asyncio.Future()


asyncio.run(main())
