"""Rows that need no whole host: tests of other layers put the fault in, against the real programs, and hold what is said."""

from __future__ import annotations

from tests.campaign.fault import Proved

GREEN = "tests/machine/silent_green"
ORCHESTRATOR = "tests/machine/orchestrator"
SURFACE = "tests/machine/surface"

PROOFS = (
    Proved(
        name="tools-exchanged", row="tool-exchanged", stage="every stage that runs one",
        title="12 tools, each replaced by true, false, sleep, last week's good output, garbage and suicide",
        nodes=(f"{GREEN}/test_exchanged_tools.py", f"{GREEN}/test_missing_tools.py"),
        says="no stage passes; with the real tool back it does",
    ),
    Proved(
        name="agent-lies", row="tool-exchanged", title="An agent that says PASS with figures that prove nothing", stage="the evidence check",
        nodes=(f"{GREEN}/test_lying_agent.py",), says="the pass is refused, and the run is held with the reason",
    ),
    Proved(
        name="agent-killed-for-real", row="agent-killed", title="The agent is killed with SIGKILL in CPUStress", stage="CPUStress",
        nodes=(f"{ORCHESTRATOR}/test_orion.py::test_an_agent_killed_in_cpu_stress_goes_on_there_with_a_second_attempt",),
        says="the attempt is INTERRUPTED and the stage runs again from its start",
    ),
    Proved(
        name="loads-disturbed", row="worker-killed", title="A load loses a worker, or is ended early", stage="CPUStress, Burn",
        nodes=(f"{GREEN}/test_disturbed_loads.py::test_a_load_that_is_ended_early_or_loses_a_worker_is_our_error",),
        says="ERROR: it was not measured",
    ),
    Proved(
        name="ten-lies", row="lying-disks", title="Ten ways in which a disk lies, six seeds each", stage="Storage",
        nodes=(f"{SURFACE}/test_faults.py::test_two_cycles_catch_every_kind_of_lying_disk",),
        says="each is caught, six of six, with the block's address",
    ),
    Proved(
        name="disk-22tb", row="disk-20tb", title="A disk of 22 TB", stage="Storage",
        nodes=(f"{SURFACE}/test_safety.py::test_a_disk_of_22_terabytes_is_sampled_to_its_very_end_in_little_memory",),
        says="it is sampled to its very end in little memory",
    ),
    Proved(
        name="signatures", row="foreign-data", title="Real signatures on real block devices, disks in swapped order, permits that do not hold",
        nodes=(f"{SURFACE}/test_signatures.py", f"{SURFACE}/test_safety.py"), stage="Storage",
        says="nothing is written, the data is named; restored ends make blkid say what it said before",
    ),
    Proved(
        name="iperf-server", row="iperf-server", title="The iperf3 server is busy or dies", stage="Network, Burn",
        nodes=(
            f"{GREEN}/test_disturbed_loads.py::test_a_server_of_ours_that_is_busy_or_dies_accuses_nobody_but_us",
            f"{ORCHESTRATOR}/test_supervise.py::test_a_killed_server_of_the_pool_serves_again_on_its_port",
        ),
        says="ERROR, never FAIL; the server is started again",
    ),
    Proved(
        name="orchestrator-killed", row="orchestrator-killed", title="The orchestrator is killed fifty times, killed in CPUStress, frozen",
        nodes=(f"{ORCHESTRATOR}/test_kills.py", f"{ORCHESTRATOR}/test_silences.py", "tests/machine/store/test_kills.py"),
        says="no run is lost and none advances; nothing acknowledged is missing", stage="the orchestrator",
    ),
    Proved(
        name="orchestrator-full", row="orchestrator-full", title="The orchestrator's disk is full, or read-only", stage="the orchestrator",
        nodes=(f"{ORCHESTRATOR}/test_bad_starts.py", "tests/machine/store/test_disks.py"),
        says="one plain sentence; everything goes on when there is room",
    ),
    Proved(
        name="clock-stepped", row="clock-stepped", title="A host's clock is a day off, or differs from ours", stage="the evidence check",
        nodes=(
            "tests/unit/agent/test_parts.py::test_a_clock_that_is_wrong_is_known_from_the_answers",
            "tests/unit/orchestrator/test_intake.py::test_samples_are_dated_by_our_clock_and_never_in_the_future",
            "tests/unit/stages/test_storage.py::test_a_permit_is_held_against_the_clock_of_who_issued_it",
            "tests/unit/domain/test_evidence.py::test_a_host_whose_clock_ran_longer_than_ours_is_refused",
        ),
        says="samples carry our time, permits are held against our clock, stages against both",
    ),
    Proved(
        name="database-locked", row="database-locked", title="Another program locks the database", stage="the orchestrator",
        nodes=("tests/unit/store/test_opening.py::test_a_database_locked_by_another_program_is_said_at_opening",),
        says="it is said, with what to do",
    ),
    Proved(
        name="hostile-strings", row="hostile-strings", title="Hostile strings in reports, logs, charts, boot scripts and on every page",
        nodes=(
            "tests/unit/report/test_html.py::test_hostile_texts_stay_texts",
            "tests/unit/web/test_charts.py::test_hostile_names_and_units_are_clean_and_short",
            "tests/unit/orchestrator/test_intake.py::test_hostile_text_is_cut_to_its_bounds_and_otherwise_kept",
            "tests/unit/boot/test_scripts.py", "tests/browser/test_hostile.py",
        ),
        says="inert everywhere: nothing runs, nothing breaks out", stage="pages and reports",
    ),
    Proved(
        name="rogue-claims", row="rogue-claims", title="Claims with a used ticket, from another boot, from another machine", stage="the claim",
        nodes=(
            f"{ORCHESTRATOR}/test_orion.py::test_a_claim_from_another_boot_is_a_host_that_rebooted_unasked",
            f"{ORCHESTRATOR}/test_orion.py::test_an_agent_of_another_boot_with_the_used_ticket_gets_nothing_and_the_run_is_held",
            "tests/unit/orchestrator/test_a_run.py::test_another_machine_is_held_at_the_claim_and_tests_nothing",
            "tests/machine/boot/test_http.py::test_the_ticket_goes_to_the_machine_that_has_the_address_and_to_no_other",
        ),
        says="refused and told; the run is held",
    ),
    Proved(
        name="false-certificate", row="false-certificate", title="Somebody in the middle with another certificate", stage="the agent",
        nodes=("tests/unit/api/test_door.py::test_a_wrong_certificate_is_noticed_before_anything_is_said",),
        says="it is noticed before anything secret is said",
    ),
    Proved(
        name="unknown-macs", row="unknown-macs", title="Machines that nobody knows ask for an address and a boot script",
        nodes=(
            "tests/machine/boot/test_dhcp.py::test_a_stranger_gets_no_offer_whatever_it_says_it_is_and_is_listed",
            "tests/unit/boot/test_service.py::test_a_stranger_goes_to_its_local_disk_and_is_listed_with_what_it_told",
        ),
        says="no offer, their local disk, and a line in the list of unknown machines", stage="the boot service",
    ),
    Proved(
        name="second-dhcp", row="second-dhcp", title="A second DHCP server, from the start and later", stage="the boot service",
        nodes=(
            "tests/machine/boot/test_supervised.py::test_where_another_server_answers_no_address_is_given_out_and_its_address_is_told",
            "tests/machine/boot/test_supervised.py::test_where_another_server_appears_ours_is_stopped",
        ),
        says="ours gives out no address, and tells whose server answers",
    ),
    Proved(
        name="gpu-faults", row="gpu-faults", stage="GPU",
        title="A GPU with memory errors, remapped rows, wrong results, or that left the bus (recorded words of real ones)",
        nodes=("tests/unit/stages/test_gpu.py",), says="each fails the host; errors of an earlier life condemn nobody",
    ),
)  # fmt: skip
