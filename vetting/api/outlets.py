"""What only operators get: the way into a held host, permits to restore disks, and what a host's management controller says."""

from __future__ import annotations

from vetting import wire
from vetting.api.operator import HOST, RUN
from vetting.api.route import Auth, Call, Route
from vetting.orchestrator.desk import Desk


async def hold_key(desk: Desk, call: Call, message: None) -> wire.HoldKey:
    return await desk.doors.key(call.number("run"), who=call.caller.name)


async def restore_permit(desk: Desk, call: Call, message: wire.RestoreHeads) -> wire.RestorePermit:
    return await desk.restoring.permit(call.number("run"), message, who=call.caller.name)


async def power(desk: Desk, call: Call, message: None) -> wire.PowerView:
    return await desk.outlets.power(call.path["host"], who=call.caller.name)


ROUTES = (
    Route(
        method="GET", path=f"{RUN}/hold-key", auth=Auth.OPERATOR,
        does="The SSH key of a held host, for as long as the hold lasts; that it was asked for is written down.",
        handle=hold_key, gives=wire.HoldKey, refusals=(404, 409, 503),
    ),
    Route(
        method="POST", path=f"{RUN}/restore-permit", auth=Auth.OPERATOR,
        does="A permit to put the saved ends of one disk of a held host back; who asked, and why, is written down.",
        handle=restore_permit, takes=wire.RestoreHeads, gives=wire.RestorePermit, refusals=(404, 409, 503),
    ),
    Route(
        method="GET", path=f"{HOST}/power", auth=Auth.OPERATOR,
        does="Ask the host's management controller whether the host is on; it proves address, user and password.",
        handle=power, gives=wire.PowerView, refusals=(404, 409, 503),
    ),
)  # fmt: skip
