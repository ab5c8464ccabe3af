"""The files of a run: listed for whoever may look, given to operators alone, whole or not at all."""

from __future__ import annotations

import hashlib

from tests.fakes import honest
from tests.unit.api.conftest import Api
from vetting import wire
from vetting.store import audit

ENDS = b'{"format": "vetting heads 1"}\n' + bytes(range(256)) * 32768 * 2


async def claimed(api: Api) -> wire.ClaimReply:
    await api.server.desk.people.add_host(wire.HostEdit(name="honest", spec=honest.SPEC), who="test")
    request = wire.StartRun(host="honest", profile="sprint", start_by="manual", confirm_serials=("D1",))
    ticket = (await api.server.desk.progress.start(request, who="test")).ticket
    message = wire.Claim(
        protocol=wire.PROTOCOL, agent_version="test", boot_id="b", identity=honest.IDENTITY, live_image=True
    )
    return await api.server.desk.progress.claim(ticket, message)


async def uploaded(api: Api, data: bytes, name: str = "heads-d1.bin") -> wire.ClaimReply:
    claim = await claimed(api)
    query = {"stage": "Inventory", "attempt": "1", "name": name, "sha256": hashlib.sha256(data).hexdigest()}
    url = f"{api.server.url}/api/agent/artifact"
    bearer = {"Authorization": f"Bearer {claim.token}"}
    async with api.session.put(url, params=query, data=data, headers=bearer) as response:
        assert response.status == 200, await response.text()
    return claim


async def test_an_operator_gets_back_what_the_agent_handed_over_and_it_is_written_down(api: Api) -> None:
    data = ENDS[: 8 * honest.MIB + 300]
    run_id = (await uploaded(api, data)).run_id
    status, listed = await api.send("GET", f"/api/runs/{run_id}/artifacts", token=api.operator)
    assert status == 200
    (one,) = listed
    assert (one["name"], one["size_bytes"], one["stage"], one["attempt"]) == ("heads-d1.bin", len(data), "Inventory", 1)
    status, got = await api.send("GET", f"/api/runs/{run_id}/artifacts/{one['id']}", token=api.operator)
    assert status == 200
    assert got == data
    entries = await api.server.store.read(lambda: audit.entries(run_id=run_id))
    assert ("artifact.take", "local command line", "heads-d1.bin") in [(e.what, e.who, e.target) for e in entries]


async def test_a_viewer_sees_the_list_and_gets_no_file(api: Api) -> None:
    run_id = (await uploaded(api, b"secret")).run_id
    viewer = await api.server.desk.people.issue_operator_token("viewer", "viewer", who="test")
    status, listed = await api.send("GET", f"/api/runs/{run_id}/artifacts", token=viewer)
    assert (status, len(listed)) == (200, 1)
    status, answer = await api.send("GET", f"/api/runs/{run_id}/artifacts/{listed[0]['id']}", token=viewer)
    assert (status, answer["error"]["code"]) == (403, "forbidden")


async def test_what_a_host_calls_its_file_never_reaches_a_browser_as_a_page(api: Api) -> None:
    run_id = (await uploaded(api, b"<script>", 'x"\r\nSet-Cookie: a=b.html')).run_id
    path = f"{api.server.url}/api/runs/{run_id}/artifacts/1"
    async with api.session.get(path, headers={"Authorization": f"Bearer {api.operator}"}) as response:
        assert response.content_type == "application/octet-stream"
        assert response.headers["Content-Disposition"] == 'attachment; filename="artifact-1"'
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert "Set-Cookie" not in response.headers


async def test_an_artifact_of_another_run_and_a_damaged_one_are_not_given(api: Api) -> None:
    run_id = (await uploaded(api, b"whole")).run_id
    status, _ = await api.send("GET", f"/api/runs/{run_id + 1}/artifacts/1", token=api.operator)
    assert status == 404
    status, _ = await api.send("GET", f"/api/runs/{run_id}/artifacts/99", token=api.operator)
    assert status == 404
    listed = await api.server.desk.files.listing(run_id)
    data = next(api.server.reporting._room._root.glob(f"artifacts/{run_id}/{listed[0].sha256}"))
    data.write_bytes(b"wHole")
    status, answer = await api.send("GET", f"/api/runs/{run_id}/artifacts/1", token=api.operator)
    assert status == 503
    assert "restore it from a backup" in answer["error"]["message"]
