"""What the live image says of itself: its build, its kernel and the version of every package, for the report."""

from __future__ import annotations

from pathlib import Path

import msgspec

from vetting.agent.logs import Logs
from vetting.domain.image import IMAGE_JSON, LiveImage

MOST_BYTES = 96 * 1024  # a claim is 128 KiB at most


def image_of(root: Path, logs: Logs) -> LiveImage | None:
    """None, and a word about it, where the image does not tell."""
    try:
        raw = (root / IMAGE_JSON).read_bytes()
        image = msgspec.json.decode(raw, type=LiveImage)
    except (OSError, msgspec.MsgspecError) as why:
        said = getattr(why, "strerror", None) or str(why)
        logs.say(f"what this live image carries is not known, /{IMAGE_JSON} cannot be read: {said[:200]}", "warning")
        return None
    if len(raw) <= MOST_BYTES:
        return image
    logs.say(f"/{IMAGE_JSON} has {len(raw)} bytes: its {len(image.packages)} packages are left out", "warning")
    return LiveImage(version=image.version[:200], kernel=image.kernel[:200])
