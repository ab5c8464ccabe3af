"""Fields that we do not know: a warning in the field, and never a reason to lose what came beside them."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import aiohttp
import msgspec
import pytest

from tests.unit.api.conftest import Api
from tests.unit.api.test_door import claimed
from vetting import serve, wire
from vetting.config import Config
from vetting.store import samples

BATCH = wire.SensorBatch(
    boot_id="b1", seq=1, stage="Inventory", now_ms=5000, names=("temp.cpu",), units=("C",),
    samples=(wire.Sample(0, 4000, 41.5),),
)  # fmt: skip


@pytest.fixture
async def lenient(config: Config) -> AsyncIterator[Api]:
    """As in the field."""
    async with serve.running(config) as server:
        pin = aiohttp.Fingerprint(bytes.fromhex(server.certificate.fingerprint))
        operator = (Path(config.server.data_dir) / serve.LOCAL_TOKEN).read_text()
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=pin)) as session:
            yield Api(server, session, operator)


def warned(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.message for record in caplog.records if record.name == "vetting.api.door"]


Reshape = Callable[[dict[str, object]], dict[str, object]]


@pytest.mark.parametrize(
    ("reshape", "says"),
    [
        (lambda body: {**body, "surprise": 1}, "$.surprise"),
        (lambda body: {"surprise": {"deep": []}, **body}, "$.surprise"),
        (lambda body: {**{key: value for key, value in body.items() if key != "dropped"}, "droppea": 0}, "$.droppea"),
    ],
    ids=["behind", "before", "in the place of a default"],
)
async def test_an_unknown_field_is_warned_of_and_the_rest_is_taken(
    lenient: Api, caplog: pytest.LogCaptureFixture, reshape: Reshape, says: str
) -> None:
    run_id, token = await claimed(lenient)
    with caplog.at_level(logging.WARNING):
        body = msgspec.json.encode(reshape(msgspec.to_builtins(BATCH)))
        assert await lenient.send("POST", "/api/agent/sensor", body, token=token) == (200, {"stored": 1})
    (message,) = warned(caplog)
    assert says in message and "/api/agent/sensor" in message
    points = await lenient.server.store.read(lambda: samples.read_series(run_id, "temp.cpu"))
    assert list(points.values) == [41.5]


@pytest.mark.parametrize(
    "reshape",
    [
        lambda body: body,
        lambda body: dict(reversed(body.items())),
        lambda body: {key: value for key, value in body.items() if key != "dropped"},
    ],
    ids=["as we write it", "in another order", "without a default"],
)
async def test_a_body_of_known_fields_alone_is_no_warning(
    lenient: Api, caplog: pytest.LogCaptureFixture, reshape: Reshape
) -> None:
    _, token = await claimed(lenient)
    with caplog.at_level(logging.WARNING):
        body = msgspec.json.encode(reshape(msgspec.to_builtins(BATCH)))
        assert await lenient.send("POST", "/api/agent/sensor", body, token=token) == (200, {"stored": 1})
    assert warned(caplog) == []


@pytest.mark.parametrize("text", [rb"\ud800", rb"\u0000", rb"\udc00\ud800", b"\xed\xa0\x80"])
async def test_half_characters_and_nothings_are_no_failure_of_ours(lenient: Api, text: bytes) -> None:
    _, token = await claimed(lenient)
    line = b'{"at_ms":0,"stage":"%b","level":"info","source":"agent","text":"%b"}' % (text, text)
    body = b'{"boot_id":"b1","seq":1,"now_ms":1,"lines":[%b]}' % line
    status, answer = await lenient.send("POST", "/api/agent/log", body, token=token)
    assert status in (200, 400), answer
