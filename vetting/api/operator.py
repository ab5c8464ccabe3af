"""What people ask for through the command line: hosts and runs."""

from __future__ import annotations

from typing import Protocol

from aiohttp import web

from vetting import wire
from vetting.api.route import MIB, Auth, Call, Handler, Route
from vetting.gate import HEADERS
from vetting.orchestrator.desk import Desk


class Act(Protocol):
    """Something that a person does to a run."""

    async def __call__(self, run_id: int, *, who: str, because: wire.Because) -> None: ...


RUN = r"/api/runs/{run:\d+}"
HOST = "/api/hosts/{host}"


async def hosts(desk: Desk, call: Call, message: None) -> tuple[wire.HostView, ...]:
    return await desk.views.hosts()


async def unknown_hosts(desk: Desk, call: Call, message: None) -> tuple[wire.UnknownHostView, ...]:
    return await desk.views.unknown_hosts()


async def add_host(desk: Desk, call: Call, message: wire.HostEdit) -> wire.HostView:
    await desk.people.add_host(message, who=call.caller.name)
    return await desk.views.host(message.name)


async def show_host(desk: Desk, call: Call, message: None) -> wire.HostView:
    return await desk.views.host(call.path["host"])


async def edit_host(desk: Desk, call: Call, message: wire.HostEdit) -> wire.HostView:
    await desk.people.edit_host(call.path["host"], message, who=call.caller.name)
    return await desk.views.host(message.name)


async def remove_host(desk: Desk, call: Call, message: wire.Because) -> wire.Because:
    await desk.people.remove_host(call.path["host"], who=call.caller.name, why=message.reason)
    return message


async def relearn_host(desk: Desk, call: Call, message: wire.Because) -> wire.HostView:
    await desk.people.relearn_host(call.path["host"], who=call.caller.name, why=message.reason)
    return await desk.views.host(call.path["host"])


async def reporter_token(desk: Desk, call: Call, message: wire.Because) -> wire.TokenShown:
    return wire.TokenShown(token=await desk.people.issue_reporter_token(call.path["host"], who=call.caller.name))


async def runs(desk: Desk, call: Call, message: None) -> tuple[wire.RunView, ...]:
    return await desk.views.runs(host=call.query.get("host", ""))


async def start(desk: Desk, call: Call, message: wire.StartRun) -> wire.RunStarted:
    return await desk.progress.start(message, who=call.caller.name)


async def show_run(desk: Desk, call: Call, message: None) -> wire.RunView:
    return await desk.views.run(call.number("run"))


async def cancel(desk: Desk, call: Call, message: wire.Because) -> wire.RunView:
    return await _then_show(desk, call, desk.progress.cancel, message)


async def override(desk: Desk, call: Call, message: wire.Because) -> wire.RunView:
    return await _then_show(desk, call, desk.progress.override, message)


async def retry(desk: Desk, call: Call, message: wire.Because) -> wire.RunView:
    return await _then_show(desk, call, desk.progress.retry, message)


async def release(desk: Desk, call: Call, message: wire.Because) -> wire.RunView:
    return await _then_show(desk, call, desk.progress.release, message)


async def _then_show(desk: Desk, call: Call, act: Act, message: wire.Because) -> wire.RunView:
    run_id = call.number("run")
    await act(run_id, who=call.caller.name, because=message)
    return await desk.views.run(run_id)


async def report(desk: Desk, call: Call, message: None) -> web.Response:
    kind = call.path["kind"]
    body = await desk.views.report(call.number("run"), kind)
    media_type = "text/html" if kind == "html" else "application/json"
    extra = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:"}
    return web.Response(body=body, content_type=media_type, charset="utf-8", headers={**HEADERS, **extra})


async def artifacts(desk: Desk, call: Call, message: None) -> tuple[wire.ArtifactView, ...]:
    return await desk.files.listing(call.number("run"))


async def artifact(desk: Desk, call: Call, message: None) -> web.Response:
    """Never as the type that the host gave it: a browser shall keep it, not show it."""
    number = call.number("artifact")
    body = await desk.files.content(call.number("run"), number, who=call.caller.name)
    named = {"Content-Disposition": f'attachment; filename="artifact-{number}"'}
    return web.Response(body=body, content_type="application/octet-stream", headers={**HEADERS, **named})


def _read(path: str, does: str, handle: Handler, gives: object, **query: str) -> Route:
    return Route(
        method="GET", path=path, auth=Auth.VIEWER, does=does, handle=handle, gives=gives, refusals=(404,), query=query
    )  # fmt: skip


def _change(method: str, path: str, does: str, handle: Handler, takes: type, gives: object) -> Route:
    return Route(
        method=method, path=path, auth=Auth.OPERATOR, does=does, handle=handle, takes=takes, gives=gives,
        max_bytes=1 * MIB, refusals=(404, 409, 503),
    )  # fmt: skip


def _act(name: str, does: str, handle: Handler) -> Route:
    return _change("POST", f"{RUN}/{name}", does, handle, wire.Because, wire.RunView)


ROUTES = (
    _read("/api/hosts", "All hosts.", hosts, tuple[wire.HostView, ...]),
    _read(
        "/api/unknown-hosts", "Machines that asked to boot and are in no host's record.", unknown_hosts,
        tuple[wire.UnknownHostView, ...],
    ),
    _change("POST", "/api/hosts", "Add a host.", add_host, wire.HostEdit, wire.HostView),
    _read(HOST, "One host, by name.", show_host, wire.HostView),
    _change("PUT", HOST, "Change a host.", edit_host, wire.HostEdit, wire.HostView),
    _change("DELETE", HOST, "Remove a host that has no active run.", remove_host, wire.Because, wire.Because),
    _change(
        "POST", f"{HOST}/relearn", "Forget a machine's identity after a repair; the next claim is learned from.",
        relearn_host, wire.Because, wire.HostView,
    ),
    _change(
        "POST", f"{HOST}/reporter-token", "A new token for the host's reporter; shown once.",
        reporter_token, wire.Because, wire.TokenShown,
    ),
    _read("/api/runs", "Runs, newest first.", runs, tuple[wire.RunView, ...], host="only this host's"),
    _change("POST", "/api/runs", "Start a run.", start, wire.StartRun, wire.RunStarted),
    _read(RUN, "One run.", show_run, wire.RunView),
    _act("cancel", "Cancel a run; from a hold, the host reboots to its own disk.", cancel),
    _act("override", "Enter the failed stage again with flags; who and why are kept for ever.", override),
    _act("retry", "Enter the failed stage again as it is.", retry),
    _act("release", "End a hold; the host powers off.", release),
    _read(RUN + "/artifacts", "The files of a run: outputs of programs, saved ends of disks, reports.",
          artifacts, tuple[wire.ArtifactView, ...]),
    Route(
        method="GET", path=RUN + r"/artifacts/{artifact:\d+}", auth=Auth.OPERATOR,
        does="One file of a run. Saved ends of disks hold what was on them: operators alone, and it is written down.",
        handle=artifact, refusals=(404, 503),
    ),
    _read(RUN + "/report.{kind:html|json}", "The run's report, written afresh.", report, None),
)  # fmt: skip
