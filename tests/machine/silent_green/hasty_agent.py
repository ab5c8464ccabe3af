"""`vetting agent` with less patience: no program that it starts gets longer than $VETTING_TEST_TOOL_LIMIT_S seconds.

Nothing else differs. It lets a test see in seconds what the deadlines of a real load do after minutes.
"""

from __future__ import annotations

import argparse
import os
from typing import Any

from vetting import proc
from vetting.domain.outcome import ToolRun
from vetting.verbs import agent

LIMIT = "VETTING_TEST_TOOL_LIMIT_S"


def main() -> int:
    patience_s = float(os.environ[LIMIT])
    patient = proc.run

    async def run(argv: Any, *, limit_s: float, **more: Any) -> ToolRun:
        return await patient(argv, limit_s=min(limit_s, patience_s), **{**more, "grace_s": 1.0})

    proc.run = run
    parser = argparse.ArgumentParser()
    agent.add_arguments(parser)
    return agent.main(parser.parse_args())


if __name__ == "__main__":
    raise SystemExit(main())
