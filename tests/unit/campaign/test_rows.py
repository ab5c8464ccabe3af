"""The campaign's rows: none of the listed faults is forgotten, and each row can be run as it stands."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from tests.campaign import guest, settings
from tests.campaign.__main__ import chosen
from tests.campaign.controls import CONTROLS
from tests.campaign.fault import BOOT
from tests.campaign.faults import collected
from tests.campaign.listed import LISTED
from tests.campaign.proofs import PROOFS
from tests.campaign.proving import exists
from tests.lab.initrd import walk
from tests.lab.settings import Boot, document
from vetting.config.loading import loads
from vetting.domain.states import STAGE_ORDER

FAULTS = collected()


def test_every_listed_fault_has_a_row_and_every_row_is_listed() -> None:
    rows = {one.row for one in FAULTS} | {one.row for one in PROOFS}
    assert rows == set(LISTED), f"without a row: {sorted(set(LISTED) - rows)}; not listed: {sorted(rows - set(LISTED))}"


def test_names_are_their_own_and_fit_a_host() -> None:
    hosts = [(one.name, one.hardware.name) for one in FAULTS] + [(one.name, one.hardware.name) for one in CONTROLS]
    names = [name for name, _ in hosts] + [one.name for one in PROOFS]
    assert len(set(names)) == len(names), sorted(name for name in names if names.count(name) > 1)
    for name, host in hosts:
        assert host == name, f"{name} runs on a host called {host}"
        assert re.fullmatch(r"[a-z0-9][a-z0-9-]{1,40}", name), name


def test_there_are_twenty_healthy_hosts_and_no_two_are_the_same() -> None:
    assert len(CONTROLS) == 20
    assert len({repr(replace(one, name="", title="")) for one in CONTROLS}) == 20


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_row_expects_words_of_a_stage_that_its_run_goes_through(fault) -> None:  # type: ignore[no-untyped-def]
    for words in (fault.expect.component, fault.expect.words):
        re.compile(words)
    assert fault.expect.words, "any words at all would do"
    through = settings.run_through(fault)
    assert {fault.expect.stage, *fault.expect.or_stages} <= set(through) <= set(STAGE_ORDER)
    assert fault.at in ("", BOOT, *STAGE_ORDER)
    assert set(fault.profiles) <= set(settings.PROFILES)
    assert (
        fault.not_tried
        or fault.prepare
        or fault.boot
        or fault.inject
        or fault.files
        or fault.spec
        or fault.hardware.disks
    )


def test_the_orchestrator_takes_the_profiles_of_all_rows(tmp_path: Path) -> None:
    said = document(tmp_path, boot=Boot(), image=tmp_path, changes=settings.changes(FAULTS, CONTROLS))
    config = loads(json.dumps(said))
    fault = next(one for one in FAULTS if one.expect.stage == "Storage" and not one.at)
    profile = config.profiles[settings.profile_of(fault, "campaign")]
    assert "CPUStress" in profile.drop and "Storage" not in profile.drop
    assert not config.profiles[f"campaign-{CONTROLS[0].name}"].drop, "a control leaves a stage out"


@pytest.mark.parametrize("proof", PROOFS, ids=lambda proof: proof.name)
def test_the_tests_that_prove_a_row_are_there(proof) -> None:  # type: ignore[no-untyped-def]
    assert not [node for node in proof.nodes if not exists(node)]


def test_ci_runs_a_handful_and_a_healthy_host() -> None:
    each_time = chosen(each_time=True)
    assert sorted(each_time.names) == sorted(settings.EACH_TIME) and not each_time.whole
    assert len(each_time.faults) == 5 and len(each_time.controls) == 1
    with pytest.raises(ValueError, match="no row is called nonsense"):
        chosen(only=("nonsense",))


def test_a_guest_gets_the_script_the_shell_and_the_files_of_its_row() -> None:
    raw = guest.laid_over(
        boot="echo 1 > /tmp/here", modules=("i2c-stub",), files={"/usr/sbin/tool": "#!/bin/sh\nexit 0\n"}
    )
    files = {name: entry for name, entry, _ in walk(memoryview(raw))}
    assert files["opt/lab/script"].text == "modprobe i2c-stub\necho 1 > /tmp/here\n"
    assert files["usr/sbin/tool"].mode & 0o111
    assert "Before=vetting-agent.service" in files["etc/systemd/system/campaign-fault.service"].text
    assert files["etc/systemd/system/multi-user.target.wants/campaign-hand.service"].is_link
    bare = {name for name, _, _ in walk(memoryview(guest.laid_over()))}
    assert "etc/systemd/system/campaign-fault.service" not in bare
