"""The way of an installed host to its reporter, over HTTP: the script, the program, the code."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

from tests.unit.api.conftest import Api
from vetting import wire
from vetting.api import registration
from vetting.orchestrator import registering
from vetting.orchestrator.registering import Program


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small program in place of the one that this orchestrator runs from, which is a checkout here."""
    path = tmp_path / "vetting"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("__main__.py", "print('hello')")
    found = Program(path, hashlib.sha256(path.read_bytes()).hexdigest())
    for module in (registering, registration):
        monkeypatch.setattr(module, "own_program", lambda: found)
    return path


async def test_the_script_names_the_certificate_and_the_program_that_is_served(api: Api, program: Path) -> None:
    async with api.session.get(f"{api.server.url}/register/quick.sh") as response:
        script = await response.text()
        assert (response.status, response.content_type) == (200, "text/x-shellscript")
    assert f"FINGERPRINT={api.server.certificate.fingerprint}\n" in script
    async with api.session.get(f"{api.server.url}/register/vetting") as response:
        body = await response.read()
        assert response.status == 200
    assert body == program.read_bytes()
    assert f"SHA256={hashlib.sha256(body).hexdigest()}\n" in script
    assert f"BYTES={len(body)}\n" in script
    assert "{{" not in script
    assert not re.search(r"vetting_|Bearer|operator\.token", script)


async def test_the_script_is_clean_shell(api: Api, program: Path, tmp_path: Path) -> None:
    checker = shutil.which("shellcheck")
    assert checker, "shellcheck is missing; ./build.sh test installs it"
    path = tmp_path / "quick.sh"
    path.write_text(await api.server.desk.registering.script())
    told = subprocess.run([checker, path], capture_output=True, text=True)
    assert told.returncode == 0, told.stdout


async def test_a_code_is_traded_over_http_and_opens_the_heartbeat(api: Api) -> None:
    await api.send("POST", "/api/hosts", wire.HostEdit(name="pve-07"), token=api.operator)
    status, code = await api.send("POST", "/api/hosts/pve-07/registration-code", wire.Because(), token=api.operator)
    assert (status, code["host"], code["valid_s"]) == (200, "pve-07", 3600.0)
    told = wire.Register(hostname="pve-07")
    status, answer = await api.send("POST", "/api/reporter/register", told, token=code["code"])
    assert status == 200, answer
    beat = wire.ReporterBeat(boot_id="os", version="1")
    assert await api.send("POST", "/api/reporter/heartbeat", beat, token=answer["token"]) == (
        200, {"cmd": "none", "run_id": 0, "order": ""},
    )  # fmt: skip
    for bad in (code["code"], "guess", answer["token"]):
        status, refused = await api.send("POST", "/api/reporter/register", told, token=bad)
        assert (status, refused["error"]["code"]) == (401, "not_allowed")
    assert (await api.send("POST", "/api/reporter/heartbeat", beat, token=code["code"]))[0] == 401


async def test_who_tries_too_many_codes_is_told_to_wait(api: Api) -> None:
    answers = [
        (await api.send("POST", "/api/reporter/register", wire.Register(hostname="x"), token=f"guess{number}"))[0]
        for number in range(12)
    ]
    assert answers == [401] * 10 + [429] * 2
