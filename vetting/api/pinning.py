"""Measure, then pin: what would become a floor or ceiling, and making it one."""

from __future__ import annotations

from vetting import wire
from vetting.api.operator import HOST
from vetting.api.route import Auth, Call, Route
from vetting.domain.errors import BadInput
from vetting.orchestrator.desk import Desk
from vetting.orchestrator.pinning import Offer, Wish


async def offer(desk: Desk, call: Call, message: None) -> wire.PinOffer:
    query = call.query
    wish = Wish(
        run_id=_whole(query["run"]) if query.get("run") else None,
        margin=_share(query["margin"]) if query.get("margin") else None,
        class_name=query.get("class", ""),
        firmware=query.get("firmware", "") == "yes",
    )
    return told(await desk.pinning.offer(call.path["host"], wish))


async def pin(desk: Desk, call: Call, message: wire.PinMeasured) -> wire.PinOffer:
    wish = Wish(
        run_id=message.run_id, margin=message.margin, class_name=message.class_name, firmware=message.firmware, keys=message.keys
    )  # fmt: skip
    return told(await desk.pinning.pin(call.path["host"], wish, who=call.caller.name, why=message.reason))


def told(offered: Offer) -> wire.PinOffer:
    return wire.PinOffer(
        host=offered.host.name,
        run_id=offered.run.id,
        profile=offered.run.profile.name,
        virtual=offered.virtual,
        lines=tuple(
            wire.PinLine(key=one.key, name=one.name, bounds=one.bounds, limit=one.limit, worst=one.worst, parts=one.parts)
            for one in offered.proposals
        ),
        hottest_c=offered.hottest_c,
        max_temp_c=offered.max_temp_c,
        firmware=offered.firmware,
        targets=tuple(
            wire.PinTarget(host=one.host.name, changes=one.changes, left_out=one.left_out) for one in offered.targets
        ),
    )  # fmt: skip


def _whole(text: str) -> int:
    if not text.isdecimal() or len(text) > 15:
        raise BadInput(f"run must be the number of a run, it is {text[:40]!r}")
    return int(text)


def _share(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise BadInput(f"margin must be a share such as 0.1, it is {text[:40]!r}") from None


ROUTES = (
    Route(
        method="GET", path=f"{HOST}/pins", auth=Auth.VIEWER,
        does="What would be pinned of the measurements of a run of this host: floors, ceilings, and whose spec would change.",
        handle=offer, gives=wire.PinOffer, refusals=(404, 409),
        query={"run": "its number; the last good run without it", "margin": "room for all, as a share such as 0.1",
               "class": "for every host of this class of vetting.yaml", "firmware": "yes: versions too"},
    ),
    Route(
        method="POST", path=f"{HOST}/pins", auth=Auth.OPERATOR,
        does="Pin the measurements of a run of this host as floors and ceilings of its expected spec, or of all hosts of its class.",
        handle=pin, takes=wire.PinMeasured, gives=wire.PinOffer, refusals=(404, 409, 503),
    ),
)  # fmt: skip
