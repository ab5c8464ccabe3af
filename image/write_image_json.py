"""Inside the image: what it is and which packages it holds, as the agent sends it to the orchestrator."""

import json
import os
import subprocess
from pathlib import Path

HERE = Path("/usr/share/vetting")
LISTING = ["dpkg-query", "--show", "--showformat", "${Package}\t${Version}\n"]


def main() -> None:
    listed = subprocess.run(LISTING, check=True, capture_output=True, text=True).stdout
    packages = dict(line.split("\t", 1) for line in listed.splitlines())
    kernels = sorted(os.listdir("/usr/lib/modules"))
    if len(kernels) != 1:
        raise SystemExit(f"image: one kernel is wanted, /usr/lib/modules holds {', '.join(kernels) or 'none'}")
    version = (HERE / "version").read_text().strip()
    told = {"version": version, "kernel": kernels[0], "packages": dict(sorted(packages.items()))}
    (HERE / "image.json").write_text(json.dumps(told, indent=1) + "\n")


main()
