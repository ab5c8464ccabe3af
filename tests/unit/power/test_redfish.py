"""What our Redfish client does with services of every temper: a scripted one over TLS, beside the real emulator of the machine
tests."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.fakes.orchestrator import certificate
from vetting.domain.bmc import Bmc, BmcKind
from vetting.power.controller import BmcTrouble
from vetting.power.redfish import ANSWER_BYTES, Redfish, same_uuid

PASSWORD = "right-one"
SYSTEM = "/redfish/v1/Systems/1"
TOKEN = "session-token"


@dataclass
class Service:
    """Everything that it says can be changed; everything that it heard is kept."""

    root: dict[str, Any] = field(default_factory=dict)
    boot: dict[str, Any] = field(default_factory=lambda: {"BootSourceOverrideEnabled": "Disabled"})
    reset: dict[str, Any] = field(default_factory=lambda: {"target": f"{SYSTEM}/Actions/ComputerSystem.Reset"})
    power: str = "Off"
    etag: str = ""
    members: list[str] = field(default_factory=lambda: [SYSTEM])
    takes: bool = True  # False: says yes to PATCH and forgets it
    refuses: dict[tuple[str, str], tuple[int, Any]] = field(default_factory=dict)
    heard: list[tuple[str, str, Any, dict[str, str]]] = field(default_factory=list)
    port: int = 0
    fingerprint: str = ""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        body: Any = await request.json() if request.can_read_body else None
        self.heard.append((request.method, request.path, body, dict(request.headers)))
        if refusal := self.refuses.get((request.method, request.path)):
            status, said = refusal
            headers = {"Location": "https://127.0.0.1:1/redfish/v1/"} if status in (301, 302, 308) else {}
            return web.json_response(said, status=status, headers=headers)
        match request.method, request.path:
            case "GET", "/redfish/v1/":
                return web.json_response(self.root)
            case "POST", "/redfish/v1/SessionService/Sessions":
                if body["Password"] != PASSWORD:
                    return web.json_response({}, status=401)
                location = f"https://127.0.0.1:{self.port}/redfish/v1/SessionService/Sessions/9"
                return web.json_response({}, status=201, headers={"X-Auth-Token": TOKEN, "Location": location})
            case "DELETE", "/redfish/v1/SessionService/Sessions/9":
                return web.Response(status=204)
            case "GET", "/redfish/v1/Systems":
                return web.json_response({"Members": [{"@odata.id": path} for path in self.members]})
            case "GET", "/redfish/v1/ResetInfo":
                return web.json_response(
                    {"Parameters": [{"Name": "ResetType", "AllowableValues": ["ForceOn", "ForceRestart"]}]}
                )
            case "GET", path if path == SYSTEM:
                system = {"PowerState": self.power, "Boot": self.boot, "Actions": {"#ComputerSystem.Reset": self.reset}}
                return web.json_response(system, headers={"ETag": self.etag} if self.etag else {})
            case "PATCH", path if path == SYSTEM:
                if self.etag and request.headers.get("If-Match") != self.etag:
                    return web.json_response({}, status=412)
                if self.takes:
                    self.boot.update(body["Boot"])
                return web.Response(status=204)
            case "POST", path if path.endswith("ComputerSystem.Reset"):
                self.power = "On"
                return web.Response(status=204)
        return web.json_response({}, status=404)

    def asked(self, method: str) -> list[tuple[str, Any]]:
        return [(path, body) for verb, path, body, _ in self.heard if verb == method]

    def client(self, password: str = PASSWORD, **changes: Any) -> Redfish:
        async def no_time(seconds: float) -> None:
            return

        bmc = Bmc(
            kind=BmcKind.REDFISH, address=f"127.0.0.1:{self.port}", user="ann", fingerprint=self.fingerprint, **changes
        )
        return Redfish(bmc, password, sleep=no_time)


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    one = Service()
    cert, key, one.fingerprint = certificate(tmp_path)
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", one.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    one.port = runner.addresses[0][1]
    yield one
    await runner.cleanup()


async def test_a_session_is_opened_used_and_ended(service: Service) -> None:
    service.root = {"Links": {"Sessions": {"@odata.id": "/redfish/v1/SessionService/Sessions"}}}
    one = service.client()
    assert not await one.is_on()
    await one.close()
    assert service.heard[-1][:2] == ("DELETE", "/redfish/v1/SessionService/Sessions/9")
    later = [headers for method, path, _, headers in service.heard if path == SYSTEM]
    assert all(headers["X-Auth-Token"] == TOKEN and "Authorization" not in headers for headers in later)


async def test_a_session_that_is_refused_ends_it_at_once(service: Service) -> None:
    service.root = {"Links": {"Sessions": {"@odata.id": "/redfish/v1/SessionService/Sessions"}}}
    one = service.client("wrong-one")
    with pytest.raises(BmcTrouble, match="does not take this user and password"):
        await one.is_on()
    await one.close()
    assert len(service.asked("POST")) == 1  # each more try may lock the user out


async def test_a_service_without_sessions_gets_user_and_password_in_each_request_but_the_first(
    service: Service,
) -> None:
    one = service.client()
    await one.is_on()
    await one.close()
    signed = {path: "Authorization" in headers for _, path, _, headers in service.heard}
    assert signed == {"/redfish/v1/": False, "/redfish/v1/Systems": True, SYSTEM: True}


@pytest.mark.parametrize(("efi", "mode"), [(True, "UEFI"), (False, "Legacy")])
async def test_the_network_boot_is_for_once_in_the_hosts_own_mode_and_with_the_etag(
    service: Service, efi: bool, mode: str
) -> None:
    service.boot["BootSourceOverrideMode"], service.etag = "UEFI", '"abc"'
    one = service.client(efi=efi)
    assert await one.boot_from_network() == ()
    await one.close()
    wanted = {"BootSourceOverrideEnabled": "Once", "BootSourceOverrideTarget": "Pxe", "BootSourceOverrideMode": mode}
    assert service.asked("PATCH") == [(SYSTEM, {"Boot": wanted})]


async def test_a_service_that_names_no_mode_is_not_told_one(service: Service) -> None:
    one = service.client()
    await one.boot_from_network()
    await one.close()
    assert "BootSourceOverrideMode" not in service.asked("PATCH")[0][1]["Boot"]


async def test_a_service_that_only_says_yes_is_found_out(service: Service) -> None:
    service.takes = False
    one = service.client()
    with pytest.raises(BmcTrouble, match="does not show it"):
        await one.boot_from_network()
    await one.close()


async def test_what_cannot_be_done_once_is_not_done(service: Service) -> None:
    service.boot["BootSourceOverrideEnabled@Redfish.AllowableValues"] = ["Disabled", "Continuous"]
    one = service.client()
    with pytest.raises(BmcTrouble, match="knows no BootSourceOverrideEnabled Once, only Disabled, Continuous"):
        await one.boot_from_network()
    await one.close()
    assert not service.asked("PATCH")


@pytest.mark.parametrize(
    ("offered", "on", "cut"),
    [
        (["On", "ForceOff", "PowerCycle", "ForceRestart"], "On", "PowerCycle"),
        (["ForceOn", "ForceRestart"], "ForceOn", "ForceRestart"),
        (None, "On", "PowerCycle"),
    ],
)
async def test_of_the_resets_that_are_offered_the_fitting_one_is_taken(
    service: Service, offered: list[str] | None, on: str, cut: str
) -> None:
    if offered is not None:
        service.reset["ResetType@Redfish.AllowableValues"] = offered
    one = service.client()
    await one.switch_on()
    await one.cut_power()
    await one.close()
    assert [body["ResetType"] for _, body in service.asked("POST")] == [on, cut]


async def test_resets_that_stand_in_a_paper_of_their_own_are_read_there(service: Service) -> None:
    service.reset["@Redfish.ActionInfo"] = "/redfish/v1/ResetInfo"
    one = service.client()
    await one.cut_power()
    await one.close()
    assert service.asked("POST")[0][1] == {"ResetType": "ForceRestart"}


async def test_a_gentle_restart_is_no_cut(service: Service) -> None:
    service.reset["ResetType@Redfish.AllowableValues"] = ["On", "GracefulRestart"]
    one = service.client()
    with pytest.raises(BmcTrouble, match="offers no reset of the kind PowerCycle or ForceRestart"):
        await one.cut_power()
    await one.close()
    assert not service.asked("POST")


@pytest.mark.parametrize(
    "elsewhere", ["https://evil.example/redfish/v1/Systems/1", "//evil.example/redfish", "/api/hosts", "/redfish/../x"]
)
async def test_nothing_is_sent_to_an_address_that_is_not_its_own(service: Service, elsewhere: str) -> None:
    service.members = [elsewhere]
    one = service.client()
    with pytest.raises(BmcTrouble, match="names an address that is not its own"):
        await one.is_on()
    await one.close()


async def test_a_redirect_is_not_followed(service: Service) -> None:
    service.refuses["GET", SYSTEM] = (308, {})
    one = service.client()
    with pytest.raises(BmcTrouble, match="answered 308"):
        await one.is_on()
    await one.close()


async def test_a_refusal_is_told_in_the_services_own_words(service: Service) -> None:
    said = {"error": {"message": "general", "@Message.ExtendedInfo": [{"Message": "The chassis is locked."}]}}
    service.refuses["PATCH", SYSTEM] = (400, said)
    one = service.client()
    with pytest.raises(BmcTrouble, match=r"answered 400 to PATCH .*: The chassis is locked\."):
        await one.boot_from_network()
    await one.close()


@pytest.mark.parametrize("nonsense", [[], 7, "x", {"Members": "x"}, {"Members": [7, None]}])
async def test_nonsense_is_no_system(service: Service, nonsense: Any) -> None:
    service.refuses["GET", "/redfish/v1/Systems"] = (200, nonsense)
    one = service.client()
    with pytest.raises(BmcTrouble, match="shows no computer system"):
        await one.is_on()
    await one.close()


async def test_an_endless_answer_is_cut(service: Service) -> None:
    service.refuses["GET", SYSTEM] = (200, {"x": "y" * ANSWER_BYTES})
    one = service.client()
    with pytest.raises(BmcTrouble, match="is over"):
        await one.is_on()
    await one.close()


def test_a_uuid_is_known_in_either_byte_order() -> None:
    assert same_uuid("6a1ee1f2-7f0d-4c7c-9f55-0a1b2c3d4e5f", "F2E11E6A-0D7F-7C4C-9F55-0A1B2C3D4E5F")
    assert not same_uuid("6a1ee1f2-7f0d-4c7c-9f55-0a1b2c3d4e5f", "6a1ee1f2-7f0d-4c7c-9f55-0a1b2c3d4e60")
    assert not same_uuid("Not Settable", "Not Settable")
