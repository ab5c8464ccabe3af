"""The local command line's token: it is there after every start, whatever became of the one before."""

from __future__ import annotations

from pathlib import Path

from vetting import serve
from vetting.config import Config
from vetting.domain.errors import NotAllowed
from vetting.orchestrator.people import LOCAL_NAME


async def test_a_token_file_that_was_lost_is_made_anew_and_the_old_token_ends(config: Config) -> None:
    path = Path(config.server.data_dir) / serve.LOCAL_TOKEN
    async with serve.running(config, strict=True):
        old = path.read_text()
    path.unlink()  # or: killed between the database and the file
    async with serve.running(config, strict=True) as server:
        new = path.read_text()
        assert await server.desk.people.person_of(new) == (LOCAL_NAME, "operator")
        try:
            await server.desk.people.person_of(old)
        except NotAllowed:
            return
        raise AssertionError("the old token still opens")
