"""A move: one step of a job as a transaction, not yet sent."""

from attrs import frozen

from coord.requests import Compare, Txn, TxnOp


@frozen
class Move:
    """Do `ops` if all of `compare` holds; otherwise nothing happened."""

    compare: tuple[Compare, ...]
    ops: tuple[TxnOp, ...]

    def nested(self, *otherwise: TxnOp) -> Txn:
        """Return the move as a part of a larger transaction, with what to do if it fails."""
        return Txn(self.compare, self.ops, otherwise)
