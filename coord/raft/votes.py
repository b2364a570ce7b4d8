"""Answers to vote requests: the same rule in every role (section 5.4.1, thesis 9.6 and 4.2.3).

A learner, or a node whose member list is old, answers too: the candidate may know more.
"""

from coord.raft.messages import PreVote, PreVoteReply, Vote, VoteReply
from coord.raft.state import State


def ignores_newer(state: State, message: PreVote | Vote) -> bool:
    """Tell whether a request of a newer term is passed over, because a leader is alive.

    A server cut off or removed cannot make a working cluster change its term; a transfer that
    the leader itself asked for may.
    """
    if isinstance(message, Vote) and message.transfer:
        return False
    return state.hears_leader()


def answer(state: State, message: PreVote | Vote) -> None:
    """Grant or refuse; `message` is of the present term or, for PreVote, of a newer one."""
    log = state.log
    is_current = (message.last_term, message.last_index) >= (log.last_term, log.last_index)
    is_free = state.vote == message.sender or (state.vote == 0 and state.leader == 0)
    is_pre = isinstance(message, PreVote)
    granted = is_current and (is_free or (is_pre and message.term > state.term))
    to_whom = (message.cluster, message.sender, state.node)
    if is_pre:
        term = message.term if granted else state.term
        state.send(PreVoteReply(*to_whom, term, granted))
        return
    if granted:
        state.vote = message.sender
        state.restart_timer()
    state.send(VoteReply(*to_whom, state.term, granted))


def refuse_older(state: State, message: PreVote | Vote) -> None:
    """Tell a candidate of an older term what the term is, so that it does not stay stuck."""
    to_whom = (message.cluster, message.sender, state.node, state.term)
    if isinstance(message, PreVote):
        state.send(PreVoteReply(*to_whom, False))
    else:
        state.send(VoteReply(*to_whom, False))
