"""Registering installed hosts: codes for operators, the script and the program for everybody, a token for a code."""

from __future__ import annotations

import asyncio

from aiohttp import web

from vetting import wire
from vetting.api.route import KIB, Auth, Call, Route
from vetting.gate import HEADERS
from vetting.orchestrator.desk import Desk
from vetting.orchestrator.registering import own_program


async def code(desk: Desk, call: Call, message: wire.Because) -> wire.RegistrationCode:
    return await desk.registering.code(call.path["host"], who=call.caller.name)


async def register(desk: Desk, call: Call, message: wire.Register) -> wire.Registered:
    return await desk.registering.register(call.caller.secret, message, peer=call.request.remote or "?")


async def script(desk: Desk, call: Call, message: None) -> web.Response:
    return web.Response(text=await desk.registering.script(), content_type="text/x-shellscript", headers=HEADERS)


async def program(desk: Desk, call: Call, message: None) -> web.StreamResponse:
    found = await asyncio.to_thread(own_program)
    return web.FileResponse(found.path, headers={**HEADERS, "Content-Type": "application/octet-stream"})


ROUTES = (
    Route(
        method="POST", path="/api/hosts/{host}/registration-code", auth=Auth.OPERATOR,
        does="A one-time code by which the host's reporter gets its token; shown once, with the line to run on the host.",
        handle=code, takes=wire.Because, gives=wire.RegistrationCode, refusals=(404, 503),
    ),
    Route(
        method="POST", path="/api/reporter/register", auth=Auth.REGISTRANT,
        does="Trade a one-time registration code for the reporter's token.",
        handle=register, takes=wire.Register, gives=wire.Registered, max_bytes=16 * KIB, refusals=(429, 503),
    ),
    Route(
        method="GET", path="/register/quick.sh", auth=Auth.ANYONE,
        does="The script that installs and registers the reporter on the host that runs it.",
        handle=script, refusals=(503,),
    ),
    Route(
        method="GET", path="/register/vetting", auth=Auth.ANYONE,
        does="The program that the script installs: the file that this orchestrator runs from.",
        handle=program, refusals=(503,),
    ),
)  # fmt: skip
