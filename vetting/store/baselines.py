"""What each host measured in its last good run. Called inside `Store.write` or `Store.read`.

One packed row for each host, stage and profile, so that a class of hundreds is read in one go: what a stage is held against is
needed while its agent waits for the answer.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from vetting.store.models import Baseline, Host
from vetting.store.rows import BaselineRow
from vetting.store.samples import plain

MOST_HOSTS = 100  # of a class, those that were good last: more tell nothing more, and the agent waits
_DECODER = msgspec.json.Decoder(dict[str, dict[str, float]])


def keep(
    host_id: int, run_id: int, stage: str, *, profile: str, class_name: str, figures: Mapping[str, Mapping[str, float]]
) -> None:
    """In place of what the host's last good run before it had measured there."""
    mine = (Baseline.host == host_id) & (Baseline.stage == stage) & (Baseline.profile == profile)
    Baseline.delete().where(mine).execute()
    Baseline.insert(
        host=host_id, run=run_id, stage=stage, profile=profile, class_name=class_name, figures=figures
    ).execute()


def of_class(class_name: str, stage: str, *, profile: str, host_id: int) -> list[BaselineRow]:
    """Of the hosts of a class that are still with us, at most MOST_HOSTS, and of this host whatever its class was. No class: of
    this host alone."""
    mine = (Baseline.stage == stage) & (Baseline.profile == profile)
    columns = Baseline.select(Baseline.host, Baseline.run, Baseline.figures)
    own = columns.where(mine & (Baseline.host == host_id))
    found = list(plain(own))
    if class_name:
        alike = mine & (Baseline.class_name == class_name) & (Baseline.host != host_id)
        others = columns.join(Host).where(alike & (Host.removed_at == 0.0)).order_by(Baseline.run.desc())
        found += plain(others.limit(MOST_HOSTS - len(found)))
    return [BaselineRow(host_id=host, run_id=run, figures=_DECODER.decode(figures)) for host, run, figures in found]
