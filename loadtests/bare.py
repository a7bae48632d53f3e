"""The yardstick: one Starlette route that reads its body and answers 204, under uvicorn as `serve` runs it.

Its CPU time is what HTTP itself costs on this machine in this run, so that a ratio to it travels better than
microseconds do. The options are those of `serve`, to the letter; a test compares them. The protocol is uvicorn's own
httptools, of which the protocol of `serve` is a subclass (collector/web/protocol.py).
"""

import asyncio
import socket
import sys

import uvicorn
import uvloop
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from loadtests.visitors import PATH


async def _read(request: Request) -> Response:
    await request.body()
    return Response(status_code=204)


app = Starlette(routes=[Route(PATH, _read, methods=["POST"])])


async def _listen(port: int) -> None:
    config = uvicorn.Config(
        app,
        http="httptools",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        timeout_graceful_shutdown=10,
    )
    listening = socket.create_server(("127.0.0.1", port), backlog=2048)
    await uvicorn.Server(config).serve(sockets=[listening])


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_listen(int(sys.argv[1])))
