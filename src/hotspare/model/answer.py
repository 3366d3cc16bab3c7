"""The three answers that every check gives: yes, no, cannot tell."""

from collections.abc import Iterable
from enum import StrEnum


class Answer(StrEnum):
    """What a check found. `CANNOT_TELL` is never good news and never a failure: it is the lack of evidence."""

    YES = "yes"
    NO = "no"
    CANNOT_TELL = "cannot tell"


def together(answers: Iterable[Answer]) -> Answer:
    """One no makes it no; else one cannot tell makes it cannot tell; nothing asked is cannot tell."""
    given = tuple(answers)
    if Answer.NO in given:
        return Answer.NO
    if not given or Answer.CANNOT_TELL in given:
        return Answer.CANNOT_TELL
    return Answer.YES
