"""A live image that is none: files of the right names and a manifest that is true of them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path


def lay_out(folder: Path, *, kernel: bytes = b"k" * 1000, initrd: bytes = b"initrd" * 5000) -> Path:
    """Writes it into the folder, which it returns."""
    files = {"vmlinuz": kernel, "initrd.img": initrd, "undionly.kpxe": b"bios" * 200, "snponly.efi": b"efi" * 300}
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    listed = {
        name: {"sha256": hashlib.sha256(data).hexdigest(), "size_bytes": len(data)} for name, data in files.items()
    }
    (folder / "manifest.json").write_text(json.dumps({"format": 1, "version": "test", "files": listed}))
    return folder
