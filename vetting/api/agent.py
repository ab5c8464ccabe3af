"""What the agent in the live image says to us."""

from __future__ import annotations

from vetting import __version__, wire
from vetting.api.route import KIB, MIB, Auth, Call, Route
from vetting.domain.errors import BadInput, ProtocolMismatch
from vetting.orchestrator.desk import Desk

MAX_ARTIFACT_BYTES = 16 * MIB


async def hello(desk: Desk, call: Call, message: wire.Hello) -> wire.HelloReply:
    check_protocol(message.protocol)
    return wire.HelloReply(protocol=wire.PROTOCOL, server_version=__version__)


async def claim(desk: Desk, call: Call, message: wire.Claim) -> wire.ClaimReply:
    check_protocol(message.protocol)
    return await desk.progress.claim(call.caller.secret, message, peer=call.request.remote or "")


async def heartbeat(desk: Desk, call: Call, message: wire.Heartbeat) -> wire.HeartbeatReply:
    return await desk.progress.heartbeat(call.caller.run_id, message)


async def result(desk: Desk, call: Call, message: wire.Result) -> wire.ResultReply:
    return await desk.progress.result(call.caller.run_id, message)


async def sensor(desk: Desk, call: Call, message: wire.SensorBatch) -> wire.SensorReply:
    return wire.SensorReply(stored=await desk.intake.samples(call.caller.run_id, message))


async def log(desk: Desk, call: Call, message: wire.LogBatch) -> wire.LogReply:
    return wire.LogReply(stored=await desk.intake.lines(call.caller.run_id, message))


async def hold(desk: Desk, call: Call, message: wire.Hold) -> wire.HoldReply:
    return await desk.progress.hold(call.caller.run_id, message)


async def artifact(desk: Desk, call: Call, message: None) -> wire.ArtifactReply:
    """The body is the file. Its name, stage, attempt and checksum come as query parameters."""
    query = call.query
    missing = [name for name in ("stage", "attempt", "name", "sha256") if not query.get(name)]
    if missing or not query["attempt"].isdecimal():
        raise BadInput(f"an artifact needs stage, attempt (a number), name and sha256; wrong or missing: {missing}")
    return await desk.intake.artifact(
        call.caller.run_id,
        stage=query["stage"],
        attempt=int(query["attempt"]),
        name=query["name"],
        sha256=query["sha256"],
        media_type=query.get("media_type", "application/octet-stream"),
        body=call.request.content.iter_any(),
        max_bytes=MAX_ARTIFACT_BYTES,
    )


async def checkpoint(desk: Desk, call: Call, message: wire.Checkpoint) -> wire.CheckpointKept:
    return await desk.carrying.keep(call.caller.run_id, message)


async def carried(desk: Desk, call: Call, message: None) -> wire.CheckpointGiven:
    return await desk.carrying.give(call.caller.run_id, call.query.get("component", ""))


def check_protocol(theirs: int) -> None:
    if theirs != wire.PROTOCOL:
        raise ProtocolMismatch(
            f"this orchestrator speaks protocol {wire.PROTOCOL} and the agent {theirs}; "
            "boot the host into the current live image",
            ours=wire.PROTOCOL,
            theirs=theirs,
        )


ROUTES = (
    Route(
        method="POST", path="/api/agent/hello", auth=Auth.ANYONE, does="Check the protocol version before anything else.",
        handle=hello, takes=wire.Hello, gives=wire.HelloReply, max_bytes=4 * KIB, refusals=(426,),
    ),
    Route(
        method="POST", path="/api/agent/claim", auth=Auth.CLAIMER, does="Take up the run; resume it after a restart.",
        handle=claim, takes=wire.Claim, gives=wire.ClaimReply, max_bytes=128 * KIB, refusals=(409, 426, 503),
    ),
    Route(
        method="POST", path="/api/agent/heartbeat", auth=Auth.RUN, does="Say what the agent does; hear what it shall do.",
        handle=heartbeat, takes=wire.Heartbeat, gives=wire.HeartbeatReply, max_bytes=8 * KIB, refusals=(503,),
    ),
    Route(
        method="POST", path="/api/agent/result", auth=Auth.RUN, does="Post the conclusion of one attempt at a stage.",
        handle=result, takes=wire.Result, gives=wire.ResultReply, max_bytes=8 * MIB, refusals=(409, 503),
    ),
    Route(
        method="POST", path="/api/agent/sensor", auth=Auth.RUN, does="Store a batch of samples.",
        handle=sensor, takes=wire.SensorBatch, gives=wire.SensorReply, max_bytes=128 * KIB, refusals=(409, 503),
    ),
    Route(
        method="POST", path="/api/agent/log", auth=Auth.RUN, does="Store log lines and findings.",
        handle=log, takes=wire.LogBatch, gives=wire.LogReply, max_bytes=1 * MIB, refusals=(503,),
    ),
    Route(
        method="POST", path="/api/agent/hold", auth=Auth.RUN, does="Report that the host waits in a hold.",
        handle=hold, takes=wire.Hold, gives=wire.HoldReply, max_bytes=16 * KIB, refusals=(409, 503),
    ),
    Route(
        method="PUT", path="/api/agent/artifact", auth=Auth.RUN, does="Upload a piece of evidence.",
        handle=artifact, gives=wire.ArtifactReply, max_bytes=MAX_ARTIFACT_BYTES, refusals=(409, 503), streams=True,
        query={
            "stage": "name of the stage", "attempt": "number of the attempt", "name": "what the agent calls the file",
            "sha256": "hex checksum of the body", "media_type": "of the body",
        },
    ),
    Route(
        method="POST", path="/api/agent/checkpoint", auth=Auth.RUN, does="Keep where the surface test of a disk stands.",
        handle=checkpoint, takes=wire.Checkpoint, gives=wire.CheckpointKept, max_bytes=256 * KIB, refusals=(409, 503),
    ),
    Route(
        method="GET", path="/api/agent/checkpoint", auth=Auth.RUN, does="Ask where an earlier boot left the test of a disk.",
        handle=carried, gives=wire.CheckpointGiven, query={"component": "the disk, as cells name it"},
    ),
)  # fmt: skip
