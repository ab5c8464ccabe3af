"""What the live image says of itself: which build it is and what it carries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

IMAGE_JSON = "usr/share/vetting/image.json"  # inside the image


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveImage:
    """`packages`: name -> version of every package in the image."""

    version: str
    kernel: str = ""
    packages: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageNow:
    """The live image as it lies with the orchestrator; `objection`: why no host can boot from it, empty where one can."""

    folder: str
    objection: str = ""
    version: str = ""
    kernel: str = ""
    packages: Mapping[str, str] = field(default_factory=dict)
