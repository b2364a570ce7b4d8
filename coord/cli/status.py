"""`coord status`: every member, as each sees itself."""

from typing import Any

import click

import coord
from coord.cli.connection import with_client
from coord.cli.exits import ExitCode
from coord.cli.output import Format, print_json, print_table, write_out
from coord.errors import CoordError
from coord.requests import StatusReply

_COLUMNS = (
    "endpoint", "name", "id", "role", "leader", "term", "revision", "commit", "applied",
    "keys", "leases", "watches", "alarms", "version",
)  # fmt: skip


@click.command(name="status")
@write_out(Format.TABLE)
@with_client
def status(client: coord.Client, form: Format) -> int:
    """Ask every member about itself.

    Shows members one was not told about too: any member knows the others. Ends with 4 when one
    does not answer.

    \b
    Example:
        coord status
        coord status -w json
    """
    answers = client.statuses()
    if _members_of(answers) - answers.keys():
        # The first answers told of members this client had not heard of.
        answers = client.statuses()
    if form is Format.JSON:
        print_json([_as_json(endpoint, answer) for endpoint, answer in sorted(answers.items())])
    elif form is Format.TABLE:
        print_table(_COLUMNS, (_row(endpoint, answer) for endpoint, answer in _sorted(answers)))
    else:
        for endpoint, answer in _sorted(answers):
            click.echo(", ".join(_row(endpoint, answer)))
    silent = any(isinstance(answer, CoordError) for answer in answers.values())
    return ExitCode.UNAVAILABLE if silent else ExitCode.OK


def _members_of(answers: dict[str, StatusReply | CoordError]) -> set[str]:
    """Return the client address of every member that an answer tells of."""
    replies = [answer for answer in answers.values() if isinstance(answer, StatusReply)]
    return {member.client for reply in replies for member in reply.members if member.client}


def _sorted(
    answers: dict[str, StatusReply | CoordError],
) -> list[tuple[str, StatusReply | CoordError]]:
    return sorted(answers.items())


def _row(endpoint: str, answer: StatusReply | CoordError) -> tuple[str, ...]:
    if isinstance(answer, CoordError):
        return (endpoint, str(answer), *[""] * (len(_COLUMNS) - 2))
    names = {member.node: member.name for member in answer.members}
    return (
        endpoint,
        answer.name,
        f"{answer.node:x}",
        answer.role,
        names.get(answer.leader, "nobody"),
        str(answer.term),
        str(answer.revision),
        str(answer.commit_index),
        str(answer.applied_index),
        str(answer.keys),
        str(answer.leases),
        str(answer.watches),
        " ".join(answer.alarms),
        answer.version,
    )


def _as_json(endpoint: str, answer: StatusReply | CoordError) -> dict[str, Any]:
    if isinstance(answer, CoordError):
        return {"Endpoint": endpoint, "Error": str(answer)}
    return {
        "Endpoint": endpoint,
        "Status": {
            "header": {
                "cluster_id": answer.cluster,
                "member_id": answer.node,
                "revision": answer.revision,
                "raft_term": answer.term,
            },
            "version": answer.version,
            "name": answer.name,
            "role": answer.role,
            "leader": answer.leader,
            "raftTerm": answer.term,
            "raftIndex": answer.commit_index,
            "raftAppliedIndex": answer.applied_index,
            "compactRevision": answer.compact_revision,
            "keys": answer.keys,
            "leases": answer.leases,
            "watches": answer.watches,
            "clusterTimeMs": answer.cluster_time_ms,
            "errors": list(answer.alarms),
            "members": [
                {
                    "ID": member.node,
                    "name": member.name,
                    "peerURLs": [member.peer],
                    "clientURLs": [member.client],
                    "isLearner": not member.voter,
                }
                for member in answer.members
            ],
        },
    }
