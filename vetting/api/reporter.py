"""What the reporter on an installed host says to us."""

from __future__ import annotations

from vetting import wire
from vetting.api.route import KIB, Auth, Call, Route
from vetting.orchestrator.desk import Desk


async def beat(desk: Desk, call: Call, message: wire.ReporterBeat) -> wire.ReporterReply:
    return await desk.progress.reporter_beat(call.caller.host_id, message)


async def refuse(desk: Desk, call: Call, message: wire.ReporterRefusal) -> wire.ReporterReply:
    await desk.progress.reporter_refused(call.caller.host_id, message)
    return wire.ReporterReply()


ROUTES = (
    Route(
        method="POST", path="/api/reporter/heartbeat", auth=Auth.REPORTER,
        does="Say that the host is up; hear whether it shall reboot into vetting.",
        handle=beat, takes=wire.ReporterBeat, gives=wire.ReporterReply, max_bytes=16 * KIB, refusals=(503,),
    ),
    Route(
        method="POST", path="/api/reporter/refuse", auth=Auth.REPORTER,
        does="Say why an order to reboot is not carried out; the run fails with these reasons.",
        handle=refuse, takes=wire.ReporterRefusal, gives=wire.ReporterReply, max_bytes=16 * KIB, refusals=(409, 503),
    ),
)  # fmt: skip
