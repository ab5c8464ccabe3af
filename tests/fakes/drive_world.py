"""What smartctl and lsblk say of drives that can be made healthy, failing, testing themselves: JSON in smartctl 7.3's shape.

Only the fields that the rules look at; the recordings of real drives are in the corpus and are tried as a whole beside these.
"""

from __future__ import annotations

import json
from typing import Any

from tests.fakes.scripted_deps import Says

OK = {"value": 0, "string": "completed without error", "passed": True}
RUNNING = {"value": 249, "string": "in progress, 90% remaining", "remaining_percent": 90}
PASSED = {"value": 0, "string": "Completed without error", "passed": True}
FAILED = {"value": 121, "string": "Completed: read failure", "passed": False}
ABORTED = {"value": 25, "string": "Aborted by host", "passed": False}


def document(exit_status: int = 0, version: tuple[int, int] = (7, 3), **fields: Any) -> str:
    return json.dumps(
        {"json_format_version": [1, 0], "smartctl": {"version": [*version], "exit_status": exit_status}, **fields}
    )


def entry(status: dict[str, Any], hours: int, **fields: Any) -> dict[str, Any]:
    return {"type": {"value": 1, "string": "Short offline"}, "status": status, "lifetime_hours": hours, **fields}


def ata(
    serial: str,
    *,
    status: dict[str, Any] = OK,
    log: list[dict[str, Any]] | None = None,
    reallocated: int = 0,
    passed: bool = True,
    exit_status: int = 0,
    model: str = "HGST HUS726060ALE614",
    **fields: Any,
) -> str:
    rows = [
        (5, "Reallocated_Sector_Ct", reallocated),
        (197, "Current_Pending_Sector", 0),
        (199, "UDMA_CRC_Error_Count", 2),
    ]
    table = [
        {
            "id": number,
            "name": name,
            "value": 100,
            "worst": 100,
            "thresh": 5,
            "when_failed": "",
            "flags": {"prefailure": number == 5},
            "raw": {"value": raw, "string": str(raw)},
        }
        for number, name, raw in rows
    ]
    return document(
        exit_status,
        device={"name": "/dev/sda", "type": "sat", "protocol": "ATA"},
        model_name=model,
        serial_number=serial,
        firmware_version="APGNW7JH",
        user_capacity={"bytes": 6_001_175_126_016},
        rotation_rate=7200,
        smart_status={"passed": passed},
        ata_smart_data={"self_test": {"status": status, "polling_minutes": {"short": 2, "extended": 600}}},
        ata_smart_attributes={"table": table},
        ata_smart_error_log={"extended": {"count": 0}},
        ata_smart_self_test_log={"standard": {"table": log or []}},
        power_on_time={"hours": 1000},
        temperature={"current": 34},
        **fields,
    )


def nvme(serial: str, *, version: tuple[int, int] = (7, 3), media_errors: int = 0, **fields: Any) -> str:
    """As -x says; smartctl knows of self-tests from 7.4 on, then as `nvme_self_test_log`."""
    return document(
        version=version,
        device={"name": "/dev/nvme0n1", "type": "nvme", "protocol": "NVMe"},
        model_name="SAMSUNG MZQL21T9HCJR-00A07",
        serial_number=serial,
        firmware_version="GDC5602Q",
        nvme_total_capacity=1_920_383_410_176,
        smart_status={"passed": True, "nvme": {"value": 0}},
        nvme_smart_health_information_log={
            "critical_warning": 0,
            "media_errors": media_errors,
            "percentage_used": 3,
            "available_spare": 100,
            "available_spare_threshold": 10,
            "num_err_log_entries": 0,
        },
        temperature={"current": 41},
        power_on_time={"hours": 5000},
        **fields,
    )


def nvme_tests(operation: int, results: list[int]) -> dict[str, Any]:
    rows = [
        {
            "self_test_code": {"value": 1, "string": "Short"},
            "self_test_result": {"value": result, "string": f"result {result}"},
            "power_on_hours": 5000 - place,
        }
        for place, result in enumerate(results)
    ]
    running = {"value": operation, "string": "Short self-test in progress" if operation else "No self-test in progress"}
    percent = {"current_self_test_completion_percent": 40} if operation else {}
    return {"nvme_self_test_log": {"nsid": -1, "current_self_test_operation": running, **percent, "table": rows}}


def nvme_cli_log(operation: int, results: list[int]) -> str:
    """`nvme self-test-log -o json`, as nvme-cli 2.x prints it."""
    rows = [{"Self test result": result, "Self test code": 1, "Power on hours": 5000} for result in results]
    return json.dumps(
        {
            "Current Device Self-Test Operation": operation,
            "Current Device Self-Test Completion": 40 if operation else 0,
            "List of Valid Reports": rows,
        }
    )


def scsi(serial: str, *, tests: list[int] | None = None, uncorrected: int = 0, **fields: Any) -> str:
    """`tests`: result codes, newest first; 15 is a test in progress."""
    entries: dict[str, Any] = {
        f"scsi_self_test_{place}": {
            "code": {"value": 1, "string": "Background short"},
            "result": {"value": result, "string": "Self test in progress ..." if result == 15 else f"result {result}"},
            **({} if result == 15 else {"power_on_time": {"hours": 40 - place}}),
        }
        for place, result in enumerate(tests or [])
    }
    return document(
        device={"name": "/dev/sda", "type": "scsi", "protocol": "SCSI"},
        scsi_model_name="SEAGATE ST8000NM0075",
        serial_number=serial,
        scsi_revision="E004",
        user_capacity={"bytes": 8_001_563_222_016},
        smart_status={"passed": True},
        scsi_grown_defect_list=0,
        scsi_error_counter_log={"read": {"total_uncorrected_errors": uncorrected}},
        temperature={"current": 30},
        power_on_time={"hours": 40},
        **entries,
        **fields,
    )


def block(name: str, serial: str | None, tran: str | None = "sata", **fields: Any) -> dict[str, Any]:
    return {
        "name": name,
        "path": f"/dev/{name}",
        "kname": name,
        "type": "disk",
        "size": 6_001_175_126_016,
        "model": None,
        "serial": serial,
        "wwn": None,
        "tran": tran,
        "rota": True,
        **fields,
    }


def lsblk(*blocks: dict[str, Any]) -> Says:
    return Says("lsblk", stdout=json.dumps({"blockdevices": list(blocks)}))


def scan(*devices: tuple[str, str]) -> Says:
    said = document(devices=[{"name": path, "type": kind, "protocol": "ATA"} for path, kind in devices])
    return Says("smartctl --scan-open", stdout=said)


def says(words: str, text: str, *, times: int = 0, elapsed_s: float = 0.0) -> Says:
    """A line of smartctl whose exit status is the one in its JSON."""
    return Says(
        words, stdout=text, exit_code=json.loads(text)["smartctl"]["exit_status"], times=times, elapsed_s=elapsed_s
    )
