"""`coord transfer-leader`: let another member lead."""

import click

import coord
from coord.cli.connection import with_client
from coord.cli.output import Format, print_json, print_table, write_out
from coord.errors import ErrorCode, error_from
from coord.requests import MemberStatus


@click.command(name="transfer-leader")
@click.argument("member", required=False)
@write_out()
@with_client
def transfer_leader(client: coord.Client, form: Format, member: str | None) -> None:
    """Ask the cluster to be led by MEMBER; without one, the leader chooses.

    MEMBER is a name or an id, as `coord status` shows them. The transfer is started when the
    command returns; writes wait a moment and lose nothing.

    \b
    Example:
        coord transfer-leader n2
    """
    members = client.status().members
    target = _find(member, members).node if member else 0
    reply = client.transfer_leader(target)
    names = {known.node: known.name for known in members}
    # 0: the leader has not said whom it chose.
    name = names.get(reply.target, "another member")
    if form is Format.JSON:
        print_json({"target": reply.target, "name": name})
    elif form is Format.TABLE:
        print_table(("leadership goes to", "id"), [(name, f"{reply.target:x}")])
    else:
        click.echo(f"leadership goes to {name}")


def _find(text: str, members: tuple[MemberStatus, ...]) -> MemberStatus:
    for member in members:
        if text in (member.name, f"{member.node:x}"):
            return member
    known = ", ".join(sorted(member.name for member in members))
    raise error_from(ErrorCode.INVALID_OPTION, f"no member {text!r}; there are {known}")
