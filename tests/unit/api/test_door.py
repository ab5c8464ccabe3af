"""The door: who gets in, with what, and the one shape of every refusal."""

from __future__ import annotations

import gzip
import re

import aiohttp
import pytest

from tests.fakes import honest
from tests.unit.api.conftest import Api
from vetting import wire
from vetting.api.route import Auth, Route
from vetting.api.routes import ROUTES


def _path(route: Route) -> str:
    return re.sub(
        r"\{(\w+)(:[^}]+)?\}",
        lambda found: {"run": "1", "artifact": "1", "kind": "json"}.get(found[1], "x"),
        route.path,
    )


def _name(route: Route) -> str:
    return f"{route.method} {route.path}"


def _check_shape(answer: dict[str, object]) -> None:
    reply = wire.decode(wire.encode(answer), wire.ErrorReply, strict=True)
    assert reply.error.code
    assert len(reply.error.message) > 10


@pytest.mark.parametrize("route", [one for one in ROUTES if one.auth is not Auth.ANYONE], ids=_name)
async def test_every_route_with_a_policy_refuses_no_token_and_a_wrong_one_alike(api: Api, route: Route) -> None:
    answers = []
    for token in ("", "wrong", "x" * 3000):
        status, answer = await api.send(route.method, _path(route), b"{}", token=token)
        _check_shape(answer)
        assert status in (400, 401), (status, answer)
        answers.append(status)
    assert answers[0] == 401


@pytest.mark.parametrize("route", [one for one in ROUTES if one.auth is Auth.OPERATOR], ids=_name)
async def test_a_viewer_may_change_nothing(api: Api, route: Route) -> None:
    viewer = await api.server.desk.people.issue_operator_token(f"viewer {route.path}", "viewer", who="test")
    status, answer = await api.send(route.method, _path(route), b"{}", token=viewer)
    assert (status, answer["error"]["code"]) == (403, "forbidden")
    status, _ = await api.send("GET", "/api/hosts", token=viewer)
    assert status == 200


MALFORMED = {
    "empty": b"",
    "cut": b"{",
    "list": b"[]",
    "words": b"nonsense",
    "nan": b'{"a": NaN}',
    "deep": b"[" * 4000,
    "bytes": b'"\xff"',
    "types": b'{"protocol": "one", "name": 7, "doing": 1}',
}


@pytest.mark.parametrize("route", [one for one in ROUTES if one.takes is not None], ids=_name)
async def test_a_malformed_body_is_400_in_one_shape_and_nothing_breaks(api: Api, route: Route) -> None:
    token = await _token_for(api, route)
    for name, body in MALFORMED.items():
        status, answer = await api.send(route.method, _path(route), body, token=token)
        assert status in (400, 401, 404), (name, answer)
        _check_shape(answer)


async def _token_for(api: Api, route: Route) -> str:
    if route.auth in (Auth.OPERATOR, Auth.VIEWER):
        return api.operator
    if route.auth is Auth.REPORTER:
        await api.server.desk.people.add_host(wire.HostEdit(name="honest"), who="test")
        return await api.server.desk.people.issue_reporter_token("honest", who="test")
    if route.auth is Auth.RUN:
        return (await claimed(api))[1]
    return "x"


async def claimed(api: Api) -> tuple[int, str]:
    """(run, token) of a run that was started and claimed over the API."""
    edit = wire.HostEdit(name="honest", macs=(honest.MAC,), spec=honest.SPEC)
    status, answer = await api.send("POST", "/api/hosts", edit, token=api.operator)
    assert status == 200, answer
    request = wire.StartRun(host="honest", profile="sprint", start_by="manual", confirm_serials=("D1",))
    status, started = await api.send("POST", "/api/runs", request, token=api.operator)
    assert status == 200, started
    claim = wire.Claim(protocol=1, agent_version="t", boot_id="b1", identity=honest.IDENTITY, live_image=True)
    status, reply = await api.send("POST", "/api/agent/claim", claim, token=started["ticket"])
    assert status == 200, reply
    return reply["run_id"], reply["token"]


async def test_an_unknown_field_is_refused_where_strict_is_asked_for(api: Api) -> None:
    body = b'{"protocol":1,"agent_version":"x","boot_id":"b","surprise":1}'
    status, answer = await api.send("POST", "/api/agent/hello", body)
    assert status == 400
    assert "$.surprise" in answer["error"]["message"]


async def test_another_protocol_is_told_both_versions(api: Api) -> None:
    body = wire.Hello(protocol=99, agent_version="x", boot_id="b")
    status, answer = await api.send("POST", "/api/agent/hello", body)
    assert (status, answer["error"]["code"], answer["error"]["detail"]) == (
        426, "protocol_mismatch", {"ours": wire.PROTOCOL, "theirs": 99},
    )  # fmt: skip


@pytest.mark.parametrize(
    "route", [one for one in ROUTES if one.takes is not None and one.auth is Auth.ANYONE], ids=_name
)
async def test_a_body_over_its_limit_is_413_streamed_and_compressed_too(api: Api, route: Route) -> None:
    big = b'{"protocol": ' + b" " * route.max_bytes + b"1}"

    async def streamed() -> object:
        for start in range(0, len(big), 1000):
            yield big[start : start + 1000]

    headers = {"Content-Type": "application/json"}
    url = api.server.url + _path(route)
    for body, more in (
        (big, {}), (streamed(), {}), (gzip.compress(b" " * 50 * route.max_bytes), {"Content-Encoding": "gzip"})
    ):  # fmt: skip
        async with api.session.request(route.method, url, data=body, headers={**headers, **more}) as response:
            assert response.status == 413
            _check_shape(await response.json())


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
async def test_only_json_is_json(api: Api, kind: str) -> None:
    status, _ = await api.send("POST", "/api/agent/hello", b"{}", headers={"Content-Type": kind})
    assert status == 400


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Origin": "https://evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Origin": "null"},
    ],
    ids=["rebound host", "origin", "cross-site", "null origin"],
)
async def test_foreign_pages_and_rebound_names_are_refused(api: Api, headers: dict[str, str]) -> None:
    status, answer = await api.send("GET", "/api/hosts", token=api.operator, headers=headers)
    assert status == 403
    _check_shape(answer)


async def test_unknown_paths_and_methods_have_the_same_shape(api: Api) -> None:
    for method, path, wanted in (("GET", "/api/nothing", 404), ("DELETE", "/api/agent/hello", 405)):
        status, answer = await api.send(method, path)
        assert status == wanted
        _check_shape(answer)


async def test_a_wrong_certificate_is_noticed_before_anything_is_said(api: Api) -> None:
    pin = aiohttp.Fingerprint(bytes(32))
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=pin)) as session:
        with pytest.raises(aiohttp.ServerFingerprintMismatch):
            await session.get(api.server.url + "/api/hosts")


async def test_the_openapi_description_lists_every_route_and_every_reference_resolves(api: Api) -> None:
    status, found = await api.send("GET", "/api/openapi.json")
    assert status == 200
    told = {(method.upper(), path) for path, methods in found["paths"].items() for method in methods}
    assert told == {(one.method, re.sub(r"\{(\w+):[^}]+\}", r"{\1}", one.path)) for one in ROUTES}
    schemas = found["components"]["schemas"]
    for name in re.findall(r"#/components/schemas/([\w.-]+)", wire.encode(found).decode()):
        assert name in schemas
    assert {"Claim", "ClaimReply", "Result", "ErrorReply", "Outcome"} <= set(schemas)


async def test_a_run_goes_through_the_api_and_an_oversized_result_changes_nothing(api: Api) -> None:
    run_id, token = await claimed(api)
    result = wire.Result(boot_id="b1", stage="Inventory", attempt=1, outcome=honest.outcome("Inventory"))
    raw = wire.encode(result)
    status, _ = await api.send("POST", "/api/agent/result", raw[:-1] + b" " * 9 * honest.MIB + b"}", token=token)
    assert status == 413
    status, reply = await api.send("POST", "/api/agent/result", raw, token=token)
    assert (status, reply["next_stage"]) == (200, "Firmware")
    wrong = wire.Result(boot_id="b1", stage="Burn", attempt=1, outcome=honest.outcome("Burn"))
    status, reply = await api.send("POST", "/api/agent/result", wrong, token=token)
    assert (status, reply["error"]["code"]) == (409, "stage_mismatch")
    status, view = await api.send("GET", f"/api/runs/{run_id}", token=api.operator)
    assert (view["state"], view["failed_stage"]) == ("FailedHolding", "Burn (expected Firmware)")


async def test_artifacts_are_kept_by_checksum_and_never_under_the_hosts_name(api: Api) -> None:
    run_id, token = await claimed(api)
    body = b"what the tool said"
    digest = __import__("hashlib").sha256(body).hexdigest()
    query = f"stage=Inventory&attempt=1&name=..%2F..%2Fetc%2Fpasswd&sha256={digest}"
    status, reply = await api.send("PUT", f"/api/agent/artifact?{query}", body, token=token)
    assert (status, reply["sha256"]) == (200, digest)
    data = api.server.store.path.parent
    assert [one.name for one in (data / "artifacts" / str(run_id)).iterdir()] == [digest]
    status, _ = await api.send("PUT", f"/api/agent/artifact?{query[:-1]}0", body, token=token)
    assert status == 400
    status, _ = await api.send("PUT", f"/api/agent/artifact?{query}", b"x" * (17 * honest.MIB), token=token)
    assert status in (409, 413)


async def test_samples_are_stored_once_and_dated_by_our_clock(api: Api) -> None:
    from vetting.store import samples

    run_id, token = await claimed(api)
    batch = wire.SensorBatch(
        boot_id="b1", seq=1, stage="Inventory", now_ms=5000, names=("temp.cpu",), units=("C",),
        samples=(wire.Sample(0, 4000, 41.0), wire.Sample(0, 5000, 42.0)),
    )  # fmt: skip
    assert (await api.send("POST", "/api/agent/sensor", batch, token=token))[1] == {"stored": 2}
    assert (await api.send("POST", "/api/agent/sensor", batch, token=token))[1] == {"stored": 0}
    points = await api.server.store.read(lambda: samples.read_series(run_id, "temp.cpu"))
    assert list(points.values) == [41.0, 42.0]
    assert points.at_ms[1] - points.at_ms[0] == 1000


async def test_a_batch_that_points_outside_its_names_is_refused(api: Api) -> None:
    _, token = await claimed(api)
    batch = wire.SensorBatch(
        boot_id="b1", seq=1, stage="", now_ms=0, names=("a",), units=("C",), samples=(wire.Sample(3, 0, 1.0),)
    )
    status, _ = await api.send("POST", "/api/agent/sensor", batch, token=token)
    assert status == 400
