"""Hand over what was built: put the files into `dist/image` and the manifest last, so that half an image is none.

    python -m tools.image.manifest BUILT ZIPAPP TARGET
    python -m tools.image.manifest --check TARGET

BUILT holds `vmlinuz`, `initrd.img`, the boot loaders and the image's own `image.json`. The second form says whether TARGET
holds an image with all its files, by their sizes.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path

FORMAT = 1
NAME = "manifest.json"
FILES = ("vmlinuz", "initrd.img", "undionly.kpxe", "snponly.efi")


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def described(built: Path, zipapp: Path) -> dict[str, object]:
    """The manifest of the files in `built`; a missing one raises FileNotFoundError."""
    told = json.loads((built / "image.json").read_text())
    return {
        "format": FORMAT,
        "version": told["version"],
        "kernel": told["kernel"],
        "zipapp_sha256": digest(zipapp),
        "packages": told["packages"],
        "files": {
            name: {"sha256": digest(built / name), "size_bytes": (built / name).stat().st_size} for name in FILES
        },
    }


def hand_over(built: Path, target: Path, manifest: dict[str, object]) -> None:
    """Moves the files to `target`, which holds them and the manifest and nothing else afterwards.

    `built` and `target` lie on one file system. The old manifest goes first: from then on until the new one stands
    there, nobody takes the folder for an image.
    """
    target.mkdir(parents=True, exist_ok=True)
    (target / NAME).unlink(missing_ok=True)
    for path in target.iterdir():
        if path.name not in FILES:
            path.unlink()
    for name in FILES:
        (built / name).chmod(0o644)
        (built / name).replace(target / name)
    fresh = target / f".{NAME}.new"
    with fresh.open("w") as file:
        json.dump(manifest, file, indent=1)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    fresh.chmod(0o644)
    fresh.replace(target / NAME)


def check(target: Path) -> str:
    """What image `target` holds, in words. Raises SystemExit, saying what is wrong with it."""
    try:
        told = json.loads((target / NAME).read_text())
        for name in FILES:
            if (target / name).stat().st_size != told["files"][name]["size_bytes"]:
                raise SystemExit(f"image: {target / name} is not the file that {NAME} tells of; run ./build.sh image")
    except (OSError, ValueError, KeyError, TypeError) as why:
        raise SystemExit(f"image: {target} holds no whole image ({why}); run ./build.sh image") from None
    initrd_mb = told["files"]["initrd.img"]["size_bytes"] / 1e6
    return f"version {told['version']}, kernel {told['kernel']}, initrd {initrd_mb:.0f} MB, {len(told['packages'])} packages"


def main() -> int:
    if sys.argv[1] == "--check":
        print(check(Path(sys.argv[2])))
        return 0
    built, zipapp, target = (Path(word) for word in sys.argv[1:4])
    try:
        hand_over(built, target, described(built, zipapp))
    except FileNotFoundError as missing:
        print(f"image: the build left no {missing.filename}; image/make.sh makes it", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
