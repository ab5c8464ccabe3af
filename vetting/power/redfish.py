"""A management controller by Redfish: DMTF's DSP0266 (protocol) and DSP2046 (ComputerSystem), as far as power needs them.

One server, known by its pinned certificate or by one that an authority vouches for; it names paths of its own and nothing
else, so that neither password nor session ever goes elsewhere.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import aiohttp

from vetting.domain.bmc import Bmc
from vetting.power.address import host_and_port
from vetting.power.controller import BmcTrouble

PORT = 443
LIMIT_S = 30.0
ANSWER_BYTES = 1024 * 1024
MEMBERS = 64
ROOT = "/redfish/v1/"
RESET = "#ComputerSystem.Reset"
SETTLES = 5  # a controller may take some seconds until it tells the new boot order
SETTLE_S = 2.0
SWITCH_ON = ("On", "ForceOn")
CUT = ("PowerCycle", "ForceRestart")

Json = dict[str, Any]


class Redfish:
    """One controller and the one system behind it. Raises BmcTrouble from every method; `close` it."""

    def __init__(self, bmc: Bmc, password: str, *, smbios_uuid: str = "", sleep: Any = asyncio.sleep) -> None:
        host, port = host_and_port(bmc.address, PORT)
        self._host, self._sleep, self._efi, self._uuid = host, sleep, bmc.efi, smbios_uuid
        self._url = f"https://{f'[{host}]' if ':' in host else host}:{port}"
        self._login = (bmc.user, password)
        self._pin = aiohttp.Fingerprint(bytes.fromhex(bmc.fingerprint)) if bmc.fingerprint else True
        self._http: aiohttp.ClientSession | None = None
        self._headers: dict[str, str] = {}
        self._session_path = ""
        self._system = ""

    async def is_on(self) -> bool:
        state = (await self._look())[0].get("PowerState")
        if not isinstance(state, str):
            raise self._trouble("it does not tell whether the host is on")
        return state != "Off"

    async def boot_from_network(self) -> tuple[str, ...]:
        system, etag = await self._look()
        boot = _object(system.get("Boot"))
        for name, want in (("BootSourceOverrideTarget", "Pxe"), ("BootSourceOverrideEnabled", "Once")):
            offered = boot.get(f"{name}@Redfish.AllowableValues")
            if isinstance(offered, list) and want not in offered:
                raise self._trouble(f"it knows no {name} {want}, only {', '.join(map(str, offered))[:200]}")
        wanted = {"BootSourceOverrideEnabled": "Once", "BootSourceOverrideTarget": "Pxe"}
        mode = "UEFI" if self._efi else "Legacy"
        if "BootSourceOverrideMode" in boot:
            wanted["BootSourceOverrideMode"] = mode
        await self._send("PATCH", self._system, {"Boot": wanted}, {"If-Match": etag} if etag else {})
        return await self._read_back(mode if "BootSourceOverrideMode" in wanted else "")

    async def switch_on(self) -> None:
        await self._reset(SWITCH_ON)

    async def cut_power(self) -> None:
        await self._reset(CUT)

    async def close(self) -> None:
        if self._http is None:
            return
        if self._session_path:
            with contextlib.suppress(BmcTrouble):
                await self._send("DELETE", self._session_path)
        await self._http.close()
        self._http, self._session_path, self._system = None, "", ""

    # --- the system -----------------------------------------------------------------------------------------------

    async def _read_back(self, mode: str) -> tuple[str, ...]:
        boot: Json = {}
        for again in range(SETTLES):
            if again:
                await self._sleep(SETTLE_S)
            boot = _object((await self._look())[0].get("Boot"))
            if boot.get("BootSourceOverrideTarget") == "Pxe" and boot.get("BootSourceOverrideEnabled") != "Disabled":
                break
        else:
            raise self._trouble(
                "it took the order to start the host from the network, and does not show it; set the boot order in the "
                "firmware's setup, or start the run by hand"
            )
        notes = []
        if boot.get("BootSourceOverrideEnabled") != "Once":
            notes.append("the controller starts the host from the network from now on, not once")
        if mode and boot.get("BootSourceOverrideMode") != mode:
            notes.append(
                f"the controller was asked for a network boot by {mode} and keeps {boot.get('BootSourceOverrideMode')}"
            )
        return tuple(notes)

    async def _reset(self, ways: Sequence[str]) -> None:
        system, _ = await self._look()
        action = _object(_object(system.get("Actions")).get(RESET))
        offered = action.get("ResetType@Redfish.AllowableValues")
        if offered is None and isinstance(about := action.get("@Redfish.ActionInfo"), str):
            info, _ = await self._get(about)
            named = [_object(one) for one in info.get("Parameters") or () if _object(one).get("Name") == "ResetType"]
            offered = named[0].get("AllowableValues") if named else None
        way = next((way for way in ways if offered is None or way in offered), None)
        if way is None or not isinstance(target := action.get("target"), str):
            raise self._trouble(f"it offers no reset of the kind {' or '.join(ways)}")
        await self._send("POST", target, {"ResetType": way})

    async def _look(self) -> tuple[Json, str]:
        """The system as it is now, and its ETag."""
        if not self._system:
            self._system = await self._find_system()
        return await self._get(self._system)

    async def _find_system(self) -> str:
        await self._sign_in()
        listed, _ = await self._get(ROOT + "Systems")
        paths = [_object(one).get("@odata.id") for one in listed.get("Members") or ()][:MEMBERS]
        found = {path: (await self._get(path))[0].get("UUID") for path in paths if isinstance(path, str)}
        if not found:
            raise self._trouble("it shows no computer system")
        if not self._uuid:
            if len(found) > 1:
                raise self._trouble(
                    f"it shows {len(found)} computer systems, and we do not know this host's UUID yet: start the first run "
                    "by hand"
                )
            return next(iter(found))
        mine = [path for path, told in found.items() if isinstance(told, str) and same_uuid(told, self._uuid)]
        mine = mine or [path for path, told in found.items() if not told and len(found) == 1]
        if not mine:
            shown = ", ".join(str(told)[:40] for told in found.values())
            raise self._trouble(
                f"it switches another machine: it shows the UUID {shown}, and this host's is {self._uuid}. Is its address "
                "right? After a new board: vetting host relearn"
            )
        return mine[0]

    # --- speaking -------------------------------------------------------------------------------------------------

    async def _sign_in(self) -> None:
        """By a session where the service has them, which it can end; else by user and password in every request."""
        if self._http is None:
            self._http = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=self._pin, limit=2),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=LIMIT_S),
                trust_env=False,
            )
        root, _ = await self._get(ROOT)
        sessions = _object(_object(root.get("Links")).get("Sessions")).get("@odata.id")
        user, password = self._login
        if isinstance(sessions, str):
            status, headers, _ = await self._exchange("POST", sessions, {"UserName": user, "Password": password}, {})
            if status in (200, 201) and (token := headers.get("X-Auth-Token")):
                self._headers = {"X-Auth-Token": token}
                self._session_path = self._own_path(headers.get("Location", "")) if headers.get("Location") else ""
                return
            if status in (401, 403):
                raise self._trouble("it does not take this user and password")
        self._headers = {"Authorization": aiohttp.encode_basic_auth(user, password)}

    async def _get(self, path: str) -> tuple[Json, str]:
        status, headers, body = await self._exchange("GET", path, None, self._headers)
        if status != 200:
            raise self._refused("GET", path, status, body)
        etag = headers.get("ETag") or body.get("@odata.etag")
        return body, etag if isinstance(etag, str) else ""

    async def _send(
        self, method: str, path: str, message: Json | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        status, _, body = await self._exchange(method, path, message, {**self._headers, **(headers or {})})
        if status not in (200, 201, 202, 204):
            raise self._refused(method, path, status, body)

    async def _exchange(
        self, method: str, path: str, message: Json | None, headers: Mapping[str, str]
    ) -> tuple[int, Mapping[str, str], Json]:
        assert self._http is not None  # signed in first
        try:
            async with self._http.request(
                method, self._url + self._own_path(path), json=message, headers=headers, allow_redirects=False
            ) as answer:
                raw = bytearray()
                async for chunk in answer.content.iter_any():
                    raw += chunk
                    if len(raw) > ANSWER_BYTES:
                        raise self._trouble(f"its answer to {path[:80]} is over {ANSWER_BYTES} bytes")
                return answer.status, answer.headers, _json(bytes(raw))
        except aiohttp.ServerFingerprintMismatch:
            raise self._trouble(
                "it does not show the certificate that is on record; either it was renewed, then give the new fingerprint "
                "(vetting host bmc), or somebody stands between"
            ) from None
        except aiohttp.ClientConnectorCertificateError:
            raise self._trouble(
                "no authority that this machine trusts signed its certificate; give its fingerprint (vetting host bmc "
                "--certificate)"
            ) from None
        except TimeoutError:
            raise self._trouble(f"it did not answer within {LIMIT_S:.0f} s") from None
        except (aiohttp.ClientError, OSError) as error:
            raise self._trouble(f"it cannot be reached ({str(error)[:200] or type(error).__name__})") from None

    def _own_path(self, path: str) -> str:
        """A path of this very service. Raises BmcTrouble for anything that would lead elsewhere."""
        own = path.removeprefix(self._url)
        if not own.startswith("/redfish/") or "://" in own or ".." in own or not own.isprintable() or len(own) > 500:
            raise self._trouble(f"it names an address that is not its own: {path[:80]!r}")
        return own

    def _refused(self, method: str, path: str, status: int, body: Json) -> BmcTrouble:
        if status in (401, 403):
            return self._trouble("it does not take this user and password, or the user may not do this")
        error = _object(body.get("error"))
        more = [_object(one).get("Message") for one in error.get("@Message.ExtendedInfo") or ()]
        said = next((str(one) for one in (*more, error.get("message")) if one), "no reason")
        return self._trouble(f"it answered {status} to {method} {path[:80]}: {said[:200]}")

    def _trouble(self, what: str) -> BmcTrouble:
        return BmcTrouble(f"the management controller at {self._host}: {what}")


def same_uuid(one: str, other: str) -> bool:
    """Whether two texts name one machine; SMBIOS before 2.6 left open in which order the first three fields' bytes stand."""
    try:
        a, b = uuid.UUID(one.strip()), uuid.UUID(other.strip())
    except ValueError:
        return False
    return b.bytes in (a.bytes, a.bytes_le)


def _object(value: object) -> Json:
    return value if isinstance(value, dict) else {}


def _json(raw: bytes) -> Json:
    try:
        return _object(json.loads(raw)) if raw else {}
    except (ValueError, RecursionError):
        return {}
