"""Where a disk's test stands, over the wire: handed over by one boot's agent, asked for by the next, by the run's token alone."""

from __future__ import annotations

import hashlib
import io
from dataclasses import replace

import pytest

from tests.unit.api.conftest import Api
from tests.unit.api.test_artifacts import claimed
from vetting import wire
from vetting.agent.activity import Activity
from vetting.agent.carrier import Carrier
from vetting.agent.logs import Logs
from vetting.client import Client
from vetting.clock import SystemClock
from vetting.stages.base import Checkpoint, NotTaken

ENDS = b"both ends"
LEFT = Checkpoint(component="disk:D1", seq=3, heads_sha256=hashlib.sha256(ENDS).hexdigest(), text="digest\n{}\n")


def quiet() -> Logs:
    return Logs(Activity(boot_id="b"), SystemClock(), echo=io.StringIO())


async def test_a_checkpoint_goes_to_the_orchestrator_and_comes_back_with_its_ends(api: Api) -> None:
    claim = await claimed(api)
    async with Client(api.server.url, api.server.certificate.fingerprint, token=claim.token) as client:
        carrier = Carrier(client=client, logs=quiet(), boot_id="b", stage="Inventory", attempt=1)
        assert await carrier.back("disk:D1", limit_s=5) == (None, "")
        await carrier.away(LEFT, limit_s=5)
        found, why_not = await carrier.back("disk:D1", limit_s=5)
        assert found is None and "not with the orchestrator" in why_not
        query = {"stage": "Inventory", "attempt": "1", "name": "heads-d1.bin"}
        await client.upload("/api/agent/artifact", ENDS, media_type="application/octet-stream", query=query)
        assert await carrier.back("disk:D1", limit_s=5) == (LEFT, "")
        with pytest.raises(NotTaken, match="none of the disks"):
            await carrier.away(replace(LEFT, component="disk:a & b=c/ö"), limit_s=5)
        assert await carrier.back("disk:a & b=c/ö", limit_s=5) == (None, "")
        other = replace(carrier, boot_id="another")
        with pytest.raises(NotTaken, match="not kept"):
            await other.away(replace(LEFT, seq=9), limit_s=5)
    status, answer = await api.send("GET", "/api/agent/checkpoint?component=disk:D1", token=api.operator)
    assert (status, answer["error"]["code"]) == (401, "not_allowed")
    status, _ = await api.send("POST", "/api/agent/checkpoint", wire.Checkpoint(
        boot_id="b", stage="Inventory", attempt=1, component="disk:D1", seq=1, heads_sha256="", text=""))  # fmt: skip
    assert status == 401


async def test_an_orchestrator_that_is_away_is_said_in_time() -> None:
    async with Client("https://127.0.0.1:9", "00" * 32, first_wait_s=0.01) as client:
        carrier = Carrier(client=client, logs=quiet(), boot_id="b", stage="Storage", attempt=1)
        with pytest.raises(NotTaken, match="no answer"):
            await carrier.away(LEFT, limit_s=1)
        with pytest.raises(NotTaken, match="did not answer within"):
            await carrier.back("disk:D1", limit_s=0.3)
