"""`coord status`: every member, as each sees itself."""

from typing import Any

import click
from click.core import ParameterSource

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

    Shows members one was not told about too: any member knows the others. A member that does not
    answer within two seconds (or --timeout) is shown as silent, and the command ends with 4.

    \b
    Example:
        coord status
        coord status -w json
    """
    context = click.get_current_context()
    is_chosen = context.get_parameter_source("timeout_ms") is not ParameterSource.DEFAULT
    answers = client.statuses(timeout_ms=context.params["timeout_ms"] if is_chosen else None)
    if form is Format.JSON:
        print_json([_as_json(endpoint, answer) for endpoint, answer in sorted(answers.items())])
    elif form is Format.TABLE:
        print_table(_COLUMNS, (_row(endpoint, answer) for endpoint, answer in _sorted(answers)))
    else:
        for endpoint, answer in _sorted(answers):
            click.echo(", ".join(_row(endpoint, answer)))
    silent = any(isinstance(answer, CoordError) for answer in answers.values())
    return ExitCode.UNAVAILABLE if silent else ExitCode.OK


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
