"""WHO WE TELL: people, by whichever channel they named in vetting.yaml. Knows neither runs nor hosts."""

from __future__ import annotations

from vetting.notify.sending import Sent, send

__all__ = ["Sent", "send"]
