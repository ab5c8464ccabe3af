"""What a person may say was replaced, as typed on a command line or in a form."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vetting.domain.errors import BadInput
from vetting.domain.repair import Part, PartKind, Repair, mistakes, part_of


@pytest.mark.parametrize(
    ("typed", "part"),
    [
        ("dimm:A1:1A2B:3C4D", Part(kind=PartKind.DIMM, slot="A1", old="1A2B", new="3C4D")),
        ("disk:bay 3:WD-OLD:WD-NEW", Part(kind=PartKind.DISK, slot="bay 3", old="WD-OLD", new="WD-NEW")),
        ("DISK::WD-OLD:WD-NEW", Part(kind=PartKind.DISK, old="WD-OLD", new="WD-NEW")),
        ("cable:eno1", Part(kind=PartKind.CABLE, slot="eno1")),
        ("board", Part(kind=PartKind.BOARD)),
        (
            "nic:eno1:52:54:00:00:00:01:52:54:00:00:00:02",
            Part(kind=PartKind.NIC, slot="eno1", old="52:54:00:00:00:01", new="52:54:00:00:00:02"),
        ),
        ("nic:0000:3b:00.0::52:54:00:00:00:02", Part(kind=PartKind.NIC, slot="0000:3b:00.0", new="52:54:00:00:00:02")),
        ("gpu:00000000:3b:00.0:GPU-1:GPU-2", Part(kind=PartKind.GPU, slot="00000000:3b:00.0", old="GPU-1", new="GPU-2")),
    ],
)  # fmt: skip
def test_a_part_is_read_as_it_is_typed(typed: str, part: Part) -> None:
    assert part_of(typed) == part
    assert mistakes(Repair(parts=(part,))) == ()


@pytest.mark.parametrize(
    ("typed", "says"),
    [("ram:A1", "no kind of part 'ram'"), ("dimm:A1:a:b:c", "5 fields"), ("", "no kind of part ''")],
)
def test_what_cannot_be_read_says_how_it_is_written(typed: str, says: str) -> None:
    with pytest.raises(BadInput, match=says) as refused:
        part_of(typed)
    assert "KIND:SLOT:OLD:NEW" in refused.value.message


@pytest.mark.parametrize(
    ("parts", "says"),
    [
        ((), "at least one part"),
        ((Part(kind=PartKind.DIMM),), "say which DIMM"),
        ((Part(kind=PartKind.DIMM, slot="A1", old="1a2b", new="1A2B"),), "old and new serial are the same"),
        ((Part(kind=PartKind.NIC, slot="eno1", new="SN123"),), "known by its MAC address"),
        ((Part(kind=PartKind.DISK, slot="x" * 200),), "up to 120 printable"),
        ((Part(kind=PartKind.DISK, slot="bay\n3"),), "printable"),
        ((Part(kind=PartKind.PSU, slot="1"),) * 2, "named twice"),
        (tuple(Part(kind=PartKind.PSU, slot=str(one)) for one in range(25)), "24 at most"),
    ],
)
def test_what_nobody_can_mean_is_said(parts: tuple[Part, ...], says: str) -> None:
    assert any(says in text for text in mistakes(Repair(parts=parts)))


@pytest.mark.parametrize("confidence", [0.0, 0.49, 1.0, float("nan"), float("inf")])
def test_a_confidence_that_no_test_can_reach_is_refused(confidence: float) -> None:
    repair = Repair(parts=(Part(kind=PartKind.BOARD),), confidence=confidence)
    assert any("the confidence must be" in text for text in mistakes(repair))


words = st.text(st.characters(codec="ascii", exclude_characters=":", min_codepoint=33), max_size=12)


@given(st.sampled_from(PartKind), words, words, words)
def test_whatever_has_no_colon_of_its_own_comes_through(kind: PartKind, slot: str, old: str, new: str) -> None:
    assert part_of(f"{kind}:{slot}:{old}:{new}") == Part(kind=kind, slot=slot, old=old, new=new)
