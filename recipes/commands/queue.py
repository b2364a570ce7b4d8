"""`coord queue`: the group of its commands, for when nothing larger brings them along."""

import click

from recipes.commands.queue_items import list_, put, take


@click.group(name="queue")
def queue() -> None:
    """Put items into queues, take them out, see what is there.

    A queue is the keys queues/NAME/...; programs use it with recipes.queue and recipes.consumer.

    \b
    Example:
        coord queue put mail 'to: ann'
        coord queue take mail --exec sendmail -t
        coord queue list
    """


for _command in (put, take, list_):
    queue.add_command(_command)
