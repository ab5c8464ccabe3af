"""A repair makes a profile longer where the new part is tested, and never weaker anywhere."""

from __future__ import annotations

from dataclasses import fields, is_dataclass

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.domain.test_repair_proof import BEFORE
from vetting.domain.profiles import QUICK, SHIPPED, Profile, shortfalls
from vetting.domain.repair import Part, PartKind, Repair
from vetting.domain.repairweight import span, weigh

parts = st.lists(
    st.builds(Part, kind=st.sampled_from(PartKind), slot=st.sampled_from(["A1", "eno1"]), new=st.just("N1"))
)


def numbers(value: object, path: str = "") -> dict[str, float]:
    found: dict[str, float] = {}
    for part in fields(value):  # type: ignore[arg-type]
        one = getattr(value, part.name)
        if is_dataclass(one):
            found |= numbers(one, f"{path}{part.name}.")
        elif isinstance(one, int | float):
            found[f"{path}{part.name}"] = float(one)
    return found


@given(st.sampled_from(list(SHIPPED.values())), parts)
def test_no_knob_is_ever_lowered_and_nothing_is_left_out(profile: Profile, named: list[Part]) -> None:
    weighed = weigh(profile, Repair(parts=tuple(named)), BEFORE)
    before, after = numbers(profile), numbers(weighed.profile)
    assert all(after[name] >= value for name, value in before.items())
    assert set(shortfalls(weighed.profile)) <= set(shortfalls(profile)) or profile.name == "taste"
    changed = {name for name, value in before.items() if after[name] != value}
    told = {one.knob for one in weighed.raised}
    assert changed == told - {"storage.thorough"}  # what is raised is told, and nothing else is
    assert weighed.profile.name == profile.name


def test_a_dimm_has_the_memory_tested_three_times_as_long_and_names_its_neighbours() -> None:
    weighed = weigh(QUICK, Repair(parts=(Part(kind=PartKind.DIMM, slot="A1"),)), BEFORE)
    assert weighed.profile.cpu_stress.ram_s == 3 * QUICK.cpu_stress.ram_s
    raised, per_gib = weighed.raised
    assert (raised.knob, raised.before, raised.after) == ("cpu_stress.ram_s", "2 min", "6 min")
    assert (per_gib.knob, per_gib.before, per_gib.after) == ("cpu_stress.ram_s_per_gib", "0.5 s", "1.5 s")
    assert raised.why == (
        "the memory is tested for longer, for DIMM A1 was replaced; its neighbours by their labels: DIMM_A2"
    )


def test_a_new_disk_is_tested_whole_and_twice_even_in_quick() -> None:
    weighed = weigh(QUICK, Repair(parts=(Part(kind=PartKind.DISK, slot="bay 3", new="D-NEW"),)))
    assert weighed.profile.storage.thorough == ("D-NEW",)
    assert weighed.raised[0].after == "D-NEW"


def test_two_parts_raise_a_knob_once_to_the_higher_of_both() -> None:
    both = (Part(kind=PartKind.DIMM, slot="A1"), Part(kind=PartKind.CPU, slot="1"))
    weighed = weigh(QUICK, Repair(parts=both))
    assert weighed.profile.cpu_stress.ram_s == 3 * QUICK.cpu_stress.ram_s
    assert "DIMM A1, processor 1 were replaced" in weighed.raised[0].why


def test_times_are_told_in_words() -> None:
    assert [span(one) for one in (90, 120, 360, 5400, 3661)] == [
        "90 s",
        "2 min",
        "6 min",
        "1 h 30 min",
        "1 h 1 min 1 s",
    ]
