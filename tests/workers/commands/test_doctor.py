"""`coord doctor`: findings in words, in an exit code, in an archive."""

import asyncio
import json
import tarfile
from pathlib import Path

from tests.workers.commands.conftest import JobCommands
from workers.testing.at_hand import entry, in_office, on_the_roll, ready
from workers.testing.hand_worker import HandWorker


async def _ill(coord_command: JobCommands) -> None:
    """Have a dead job, a paused queue, and secrets in them."""
    client = coord_command.cluster.client()
    await in_office(client)
    await on_the_roll(client, entry("w", "q"))
    await ready(coord_command.store)
    worker = HandWorker(client, (await client.session()).lease)
    (held,) = await worker.take("q")
    await worker.bury(held, "ValueError: s3cret")
    await coord_command.store.pause("other", "s3cret")
    await client.put("coord/progress/q:500000000000000010000", '{"message":"s3cret"}')


def test_nothing_wrong_ends_with_0(coord_command: JobCommands) -> None:
    told = coord_command("doctor")
    assert (told.exit_code, told.output) == (
        0,
        "note     workers: none lives\nnothing is wrong\n",
    )


def test_findings_end_with_1_and_tell_no_values(coord_command: JobCommands) -> None:
    asyncio.run(_ill(coord_command))
    told = coord_command("doctor")
    assert told.exit_code == 1
    assert told.output == (
        "warning  queue q: 1 job is dead, of f; see coord queue dead\n"
        "note     queue other: is held shut by pause; 0 jobs are ready\n"
        "2 findings\n"
    )


def test_values_are_told_when_asked_for(coord_command: JobCommands) -> None:
    asyncio.run(_ill(coord_command))
    assert "1 x ValueError: s3cret" in coord_command("doctor", "--with-values").output
    assert "s3cret" in coord_command("doctor", "--with-values", "-w", "json").output


def test_programs_get_the_findings_and_what_they_rest_on(coord_command: JobCommands) -> None:
    asyncio.run(_ill(coord_command))
    told = coord_command("doctor", "-w", "json")
    report = json.loads(told.output)
    assert not report["healthy"]
    assert report["findings"][0]["about"] == "queue q"
    assert report["queues"][1]["dead"][0]["name"] == "f"
    assert report["keys"]["workers"] == 1
    assert report["here"]["packages"]["msgspec"]


def test_the_archive_holds_the_report_and_no_values(
    coord_command: JobCommands, tmp_path: Path
) -> None:
    asyncio.run(_ill(coord_command))
    out = tmp_path / "report.tar.gz"
    assert coord_command("doctor", "--out", str(out)).exit_code == 1
    with tarfile.open(out) as archive:
        found = {
            member.name: file.read().decode()
            for member in archive.getmembers()
            if (file := archive.extractfile(member)) is not None
        }
    assert "1 job is dead" in found["coord-doctor/report.txt"]
    assert json.loads(found["coord-doctor/overview.json"])["steward"] == "w"
    assert "s3cret" not in "".join(found.values())


def test_a_table_is_for_people(coord_command: JobCommands) -> None:
    asyncio.run(_ill(coord_command))
    assert "1 job is dead" in coord_command("doctor", "-w", "table").output


def test_an_archive_that_cannot_be_written_is_an_error(
    coord_command: JobCommands, tmp_path: Path
) -> None:
    told = coord_command("doctor", "--out", str(tmp_path / "nowhere" / "report.tar.gz"))
    assert told.exit_code == 1
    assert "cannot be written" in told.output
