"""Delivers an attempt: its artifacts first, then its result, as often as it takes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from vetting import wire
from vetting.agent.kept import Shelf
from vetting.agent.logs import Logs
from vetting.agent.sensors import Mux
from vetting.client import Client
from vetting.domain.errors import BadInput, Conflict, NotAllowed, ProtocolMismatch, Refusal, TooLarge
from vetting.domain.outcome import Outcome

ARTIFACT = "/api/agent/artifact"
RESULT = "/api/agent/result"
SLIM_FINDINGS = 100


async def deliver(
    client: Client, shelf: Shelf, logs: Logs, mux: Mux, result: wire.Result, evidence: Path
) -> wire.ResultReply:
    """Returns the orchestrator's answer. Raises Conflict (the run is parked), NotAllowed and ProtocolMismatch.

    The result is kept on disk meanwhile. One that is refused for its form is posted again without its bulk, and at last
    as an ERROR that says so: a run never hangs on a result that cannot be told.
    """
    shelf.save_result(result)
    for artifact in result.outcome.artifacts:
        if (evidence.parent / "sent" / artifact.name).exists():
            continue  # taken while the stage ran
        await _upload(client, logs, result, artifact.name, artifact.media_type, evidence / artifact.name)
    while not await mux.flush(
        client
    ):  # what was measured goes before what was concluded from it, also after an absence
        await client.wait()
    await logs.flush(client)
    why: Refusal | None = None
    for outcome in (result.outcome, slim(result.outcome), None):
        if outcome is None:
            outcome = Outcome.error(f"the outcome could not be delivered: {why}")
        try:
            message = wire.Result(boot_id=result.boot_id, stage=result.stage, attempt=result.attempt, outcome=outcome)
            reply = await client.insist(RESULT, message, wire.ResultReply, limit_s=60.0)
        except (BadInput, TooLarge) as error:
            logs.say(f"the result of {result.stage} was refused: {error}", "error")
            why = error
            continue
        except Conflict:
            shelf.delivered()
            raise
        shelf.delivered()
        return reply
    shelf.delivered()
    raise Conflict(f"the orchestrator takes no result of {result.stage}: {why}")


def slim(outcome: Outcome) -> Outcome:
    """The same verdict without the bulk: no excerpts, fewer findings."""
    return replace(
        outcome,
        tools=tuple(replace(tool, excerpt="") for tool in outcome.tools),
        findings=outcome.findings[:SLIM_FINDINGS],
        counters=tuple(counter for counter in outcome.counters if counter.delta != 0),
    )


async def _upload(client: Client, logs: Logs, result: wire.Result, name: str, media_type: str, path: Path) -> None:
    """One that is refused is said and left out: the orchestrator sees that a promised artifact is not there."""
    try:
        data = path.read_bytes()
    except OSError as error:
        logs.say(f"the artifact {name} cannot be read any more: {error.strerror}", "error")
        return
    query = {"stage": result.stage, "attempt": str(result.attempt), "name": name}
    try:
        await client.upload(ARTIFACT, data, media_type=media_type, query=query)
    except (NotAllowed, ProtocolMismatch):
        raise
    except Refusal as error:
        logs.say(f"the artifact {name} was refused: {error}", "error")
