"""What a VM noticed: the long-lived TCP connection through SNAT, and metadata."""

from collections.abc import Sequence

from hotspare.model.answer import Answer
from hotspare.model.drill import Get, History, StreamFact
from hotspare.model.report import Metadata, Sessions

WORKS = frozenset({"connected", "resumed", "fresh"})
GIVEN_UP = "silent while fresh connections work"
"""Why the probe left a connection by itself, in the words of adapters/onsite/tcp_stream.py: no failure of SNAT."""
OK_STATUS = range(200, 300)


def sessions(history: History, t0_s: float) -> tuple[Sessions, ...]:
    """One story a place inside."""
    return tuple(
        session(inside, tuple(fact for fact in history.streams if fact.inside == inside), t0_s, history.called_s)
        for inside in history.inside
    )


def session(inside: str, facts: Sequence[StreamFact], t0_s: float, called_s: float) -> Sessions:
    """Whether the connection that stood before the fault lived on, and when a connection worked again."""
    before = [fact for fact in facts if fact.at_s < called_s]
    after = [fact for fact in facts if fact.at_s >= called_s]
    if not any(fact.kind == "connected" for fact in before) or not after:
        why = "no connection stood before the fault" if after else "its probe said nothing after the fault"
        return Sessions(inside, Answer.CANNOT_TELL, Answer.CANNOT_TELL, None, None, why)
    lost = next((fact for fact in after if fact.kind == "lost"), None)
    silent = any(fact.kind == "stalled" for fact in after)
    if lost is None and not silent:
        return Sessions(inside, Answer.YES, Answer.YES, 0.0, 0.0, "kept, without a stall")
    works = [fact for fact in after if fact.kind in WORKS and fact.at_s >= t0_s]
    fresh_s = round(works[0].at_s - t0_s, 3) if works else None
    again = f"a connection worked {fresh_s} s after" if works else "no connection worked afterwards"
    answer = Answer.YES if works and not _failing(after) else Answer.NO
    if lost is not None:
        return Sessions(inside, answer, Answer.NO, None, fresh_s, f"lost ({lost.why}); {again}")
    stalls = [fact.stall_s for fact in after if fact.kind == "resumed" and fact.stall_s is not None]
    if stalls:
        return Sessions(inside, answer, Answer.YES, max(stalls), fresh_s, f"kept, with a stall of {max(stalls)} s")
    return Sessions(inside, answer, Answer.CANNOT_TELL, None, fresh_s, f"still silent at the end; {again}")


def _failing(after: Sequence[StreamFact]) -> bool:
    """Whether the last thing heard was a refusal, or a loss that nothing was heard of since."""
    telling = [
        fact.kind
        for fact in after
        if fact.kind in WORKS or fact.kind == "refused" or (fact.kind == "lost" and fact.why != GIVEN_UP)
    ]
    return bool(telling) and telling[-1] not in WORKS


def metadata(history: History) -> tuple[Metadata, ...]:
    """One answer a place inside."""
    return tuple(
        answers(inside, tuple(get for get in history.gets if get.inside == inside), history.called_s)
        for inside in history.inside
    )


def answers(inside: str, gets: Sequence[Get], called_s: float) -> Metadata:
    """Whether metadata answered before, and again at the end; how long it did not. What was under way when the fault
    came is of the time after it.
    """
    before = [get for get in gets if get.at_s + get.took_s < called_s]
    after = [get for get in gets if get.at_s + get.took_s >= called_s]
    failed = [get for get in after if not _good(get)]
    if not before or not after or not _good(before[-1]):
        why = "it did not answer before the fault" if before and after else "not asked before and after the fault"
        why += f" ({before[-1].error or before[-1].status})" if before and not _good(before[-1]) else ""
        return Metadata(inside, Answer.CANNOT_TELL, len(gets), len(failed), None, why)
    if not _good(after[-1]):
        why = f"does not answer any more ({after[-1].error or after[-1].status})"
        return Metadata(inside, Answer.NO, len(gets), len(failed), None, why)
    if not failed:
        return Metadata(inside, Answer.YES, len(gets), 0, 0.0, f"answered all of {len(after)} requests")
    good_s = [get.at_s + get.took_s for get in gets if _good(get)]
    last_failed_s = max(get.at_s for get in failed)
    began_s = max(at_s for at_s in good_s if at_s <= min(get.at_s for get in failed) + 1e-9)
    ended_s = min(at_s for at_s in good_s if at_s > last_failed_s)
    outage_s = round(ended_s - began_s, 3)
    text = f"did not answer {len(failed)} of {len(after)} requests, again after {outage_s} s"
    return Metadata(inside, Answer.YES, len(gets), len(failed), outage_s, text)


def _good(get: Get) -> bool:
    return get.status is not None and get.status in OK_STATUS
