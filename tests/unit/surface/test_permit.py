"""The permit: nothing but the very text that the right key signed, for this run, this host, now."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from vetting.domain.errors import BadInput, Forbidden
from vetting.domain.permit import LONGEST_S, Permit, PermittedDisk, decode, encode, permit_problems
from vetting.domain.seal import new_key, public_key_of, sign, verified

NOW = 1_800_000_000
UUID = "4C4C4544-0042-3510-8052-B4C04F4E3132"
PERMIT = Permit(
    run_id=42,
    host_id="host-7",
    host_uuid=UUID,
    disks=(PermittedDisk(serial="WD-1", size_bytes=4096, wwn="0x5000c500a1b2c3d4"),),
    issued_s=NOW - 10,
    expires_s=NOW + 600,
    nonce="0123456789abcdef",
)
PRIVATE, PUBLIC = new_key()


def problems(permit: Permit, *, now_s: float = NOW, run_id: int = 42, host_id: str = "host-7", uuid: str = UUID) -> str:
    return "; ".join(permit_problems(permit, now_s=now_s, run_id=run_id, host_id=host_id, host_uuid=uuid))


def test_a_permit_comes_back_as_it_was_signed() -> None:
    assert verified(sign(PERMIT, PRIVATE), PUBLIC) == PERMIT
    assert public_key_of(PRIVATE) == PUBLIC
    assert problems(PERMIT) == ""


def test_a_permit_signed_with_another_key_is_refused() -> None:
    with pytest.raises(Forbidden, match="signature is not good"):
        verified(sign(PERMIT, new_key()[0]), PUBLIC)


@pytest.mark.parametrize(("before", "after"), [("WD-1", "WD-2"), ("4096", "8192"), ('"run_id":42', '"run_id":43')])
def test_a_permit_changed_after_it_was_signed_is_refused(before: str, after: str) -> None:
    envelope = json.loads(sign(PERMIT, PRIVATE))
    assert before in envelope["payload"]
    envelope["payload"] = envelope["payload"].replace(before, after)

    with pytest.raises(Forbidden):
        verified(json.dumps(envelope), PUBLIC)


@pytest.mark.parametrize(
    "text",
    ["", "x", "[]", "{}", '{"payload": 1, "signature": "00"}', '{"payload": "{}", "signature": "zz"}', "[" * 9999],
)
def test_what_is_no_permit_is_refused_without_a_traceback(text: str) -> None:
    with pytest.raises((BadInput, Forbidden)):
        verified(text, PUBLIC)


@pytest.mark.parametrize("key", ["", "zz", "00" * 31])
def test_a_key_that_is_none_is_refused(key: str) -> None:
    with pytest.raises(BadInput, match="key"):
        verified(sign(PERMIT, PRIVATE), key)


@pytest.mark.parametrize(
    "change",
    [
        {"run_id": "42"},
        {"run_id": True},
        {"overrides": "wipe_probe"},
        {"overrides": [1]},
        {"disks": [{"serial": "x"}]},
        {"disks": [{"serial": "x", "size_bytes": "1"}]},
        {"disks": None},
        {"expires_s": 1e400},
        {"expires_s": 1.5},
        {"non_destructive": 0},
        {"surprise": 1},
    ],
)
def test_a_payload_with_a_field_of_the_wrong_type_is_refused(change: dict[str, object]) -> None:
    row = {**json.loads(encode(PERMIT)), **change}
    with pytest.raises(BadInput, match="not readable"):
        decode(json.dumps(row))


@pytest.mark.parametrize(
    ("permit", "said"),
    [
        (replace(PERMIT, run_id=41), "for run 41"),
        (replace(PERMIT, host_id="host-8"), "host-8"),
        (replace(PERMIT, host_id=""), "for run 42 on host ''"),
        (replace(PERMIT, host_uuid=""), "without a UUID"),
        (replace(PERMIT, host_uuid="other"), "for the machine other"),
        (replace(PERMIT, kind="everything"), "kind"),
        (replace(PERMIT, kind="scratch"), "no directory"),
        (replace(PERMIT, expires_s=NOW), "the clock here says"),
        (replace(PERMIT, issued_s=NOW + 301), "the clock here says"),
        (replace(PERMIT, issued_s=NOW + 9999, expires_s=NOW), "validity"),
        (replace(PERMIT, expires_s=NOW + LONGEST_S), "validity"),
        (replace(PERMIT, nonce="short"), "nonce"),
    ],
)
def test_a_permit_that_does_not_hold_says_why(permit: Permit, said: str) -> None:
    assert said in problems(permit)


@pytest.mark.parametrize("now_s", [float("nan"), float("inf"), float("-inf")])
def test_a_clock_that_is_no_clock_lets_nothing_through(now_s: float) -> None:
    assert "the clock here says" in problems(PERMIT, now_s=now_s)


def test_a_host_without_a_uuid_cannot_have_its_real_disks_written() -> None:
    assert "this one is unknown" in problems(PERMIT, uuid="")
    assert problems(PERMIT, uuid=UUID.lower()) == ""


def test_the_empty_host_is_nobody() -> None:
    assert problems(replace(PERMIT, host_id=""), host_id="") != ""
