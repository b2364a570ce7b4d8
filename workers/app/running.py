"""A job function as whoever runs it sees it: real arguments, context, hooks around."""

from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

from attrs import frozen

from workers.app.context import Context, Running
from workers.app.hooks import Hooks
from workers.app.signature import Signature
from workers.timer import Timer


@frozen
class Runnable:
    """One job function, ready to be run.

    Attributes:
        run_in: where it wants to run: "child", "thread" or "loop".
        is_async: whether calling it gives a coroutine.
    """

    run_in: str
    is_async: bool
    _function: Callable[..., object]
    _signature: Signature
    _hooks: Sequence[Hooks]
    _timer: Timer

    def call(self, running: Running, args: Mapping[str, object]) -> object:
        """Call the function, or return the coroutine that does, within the hooks.

        Raises:
            BadArguments: the arguments do not fit; the function was not called.
        """
        positional, named = self._signature.unpack(args)
        context = Context(running, self._timer)
        if self._signature.takes_context:
            positional.insert(0, context)
        if self.is_async:
            return self._call_async(context, positional, named)
        if not self._hooks:
            return self._function(*positional, **named)
        try:
            with _all_around(self._hooks, context):
                result = self._function(*positional, **named)
        except BaseException as error:
            _after_end(self._hooks, context, error)
            raise
        _after_end(self._hooks, context, None)
        return result

    async def _call_async(
        self, context: Context, positional: list[object], named: dict[str, object]
    ) -> object:
        function: Callable[..., Coroutine[Any, Any, object]] = self._function  # type: ignore[assignment]
        try:
            with _all_around(self._hooks, context):
                result = await function(*positional, **named)
        except BaseException as error:
            _after_end(self._hooks, context, error)
            raise
        _after_end(self._hooks, context, None)
        return result


def _all_around(hooks: Iterable[Hooks], context: Context) -> ExitStack:
    with ExitStack() as stack:
        for each in hooks:
            stack.enter_context(each.around_run(context))
        return stack.pop_all()


def _after_end(hooks: Sequence[Hooks], context: Context, error: BaseException | None) -> None:
    for each in reversed(hooks):
        try:
            each.after_end(context, error)
        except Exception:  # logged, with the attempt
            context.log.exception("hook %s failed after the end", type(each).__name__)
