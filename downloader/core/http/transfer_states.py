"""The states of a Transfer, the events that move it from one to the next, and the table of what is allowed.

Theory of operation
===================

An Attempt fetches one file, or one byte range of a file, from one URL. A Transfer is the record of how far the Attempt
has come. Something happens (an event); the table says which state follows. The usual way of a whole file:

    READY --REQUEST--> AWAITING_HEAD --BODY_FOLLOWS--> BODY_ANNOUNCED --BODY_START--> RECEIVING --BODY_END--> COMPLETE
      ^                     |
      '-----REDIRECT--------'

1.  READY: the next request can be built. A redirect leads back to this state, with another URL. If a file with a known
    checksum exists already, it is hashed first: EXISTING_VALID leads to EXISTS, EXISTING_CORRUPT leaves the state as it is.
2.  AWAITING_HEAD: the request was sent. The head of its answer decides: BODY_FOLLOWS, or the Attempt needs no body:
    NAME_LEARNED leads to NAMED, UNCHANGED to NOT_MODIFIED, VERSION_CHANGED to RESTART, NOTHING_MISSING to COMPLETE.
3.  BODY_ANNOUNCED: the caller prepares what the body is written to; no byte was counted yet.
4.  RECEIVING: pieces of the body are counted (DATA) until the body ends. A PAUSE, to keep a rate limit, counts for no stall.
    A body that is not for a file is handed back with the Outcome: BODY_RETURNED leads to NAMED, the end of an Attempt
    that leaves no file.
5.  COMPLETE: every byte that was asked for has come. The file is verified (HASHED) and processed (PROCESSED), and gets its
    name. If another file has taken the name in the meantime, NAME_TAKEN leads to EXISTS.

A file may be fetched in several ranges, by several Attempts. Five more events belong to that:

-   RESUME, in READY: ranges will be asked for, of the version of the file that the part file has.
-   NEXT_RANGE leads from READY or COMPLETE to READY: the next request asks for other bytes of the same file.
-   CUT leads to STOPPED: the Attempt has reached the byte where it must end, for another Attempt has the rest.
-   When an Attempt has no range left, SEGMENT_END leads to SEGMENT_DONE (other Attempts have still to fetch something), or
    FILE_END leads to COMPLETE (every byte of the file is there, and this Attempt has to finish the file).

ERROR is allowed in each state and leads to FAILED: an error ends the Attempt, whatever was decided before.

The states that stand in `ENDS` decide how the Attempt ended. An Attempt that ends in any other state has failed.
"""

from enum import StrEnum

from downloader.core.model import End


class State(StrEnum):
    """How far a Transfer has come."""

    READY = "ready"
    AWAITING_HEAD = "awaiting head"
    BODY_ANNOUNCED = "body announced"
    RECEIVING = "receiving"
    STOPPED = "stopped"
    COMPLETE = "complete"
    SEGMENT_DONE = "segment done"
    NOT_MODIFIED = "not modified"
    NAMED = "named"
    EXISTS = "exists"
    RESTART = "restart"
    FAILED = "failed"


class Event(StrEnum):
    """What happens to a Transfer."""

    EXISTING_VALID = "the existing file has the right checksum"
    EXISTING_CORRUPT = "the existing file has a wrong checksum"
    RESUME = "ranges of the file will be asked for"
    NEXT_RANGE = "a range is chosen"
    REQUEST = "a request is sent"
    REDIRECT = "the head redirects"
    BODY_FOLLOWS = "the head announces a body"
    NAME_LEARNED = "the head names the file"
    UNCHANGED = "the head says that the file was not modified"
    VERSION_CHANGED = "the head does not fit the bytes that are there"
    NOTHING_MISSING = "the head says that every byte is there"
    BODY_START = "the body begins"
    DATA = "a piece of the body has come"
    PAUSE = "reading was paused"
    BODY_END = "the body ends"
    BODY_RETURNED = "the body is handed back with the outcome"
    CUT = "the rest belongs to another attempt"
    SEGMENT_END = "other attempts have still to fetch something"
    FILE_END = "every byte of the file is there"
    HASHED = "the digests of the file were computed"
    PROCESSED = "the file was processed"
    NAME_TAKEN = "the name of the file was taken"
    ERROR = "an error"


class TransitionError(RuntimeError):
    """An event that the state does not allow: a mistake in this program, whatever the server has sent."""


class _AllowedEvents(dict[Event, State]):
    """The events that one state allows. Looking up any other event raises TransitionError."""

    def __init__(self, state: State, allowed: dict[Event, State]) -> None:
        super().__init__(allowed)
        self[Event.ERROR] = State.FAILED
        self._state = state

    def __missing__(self, event: Event) -> State:
        raise TransitionError(f"not allowed while a transfer is {self._state.name}: {event.name} ({event})")


_ALLOWED: dict[State, dict[Event, State]] = {
    State.READY: {
        Event.EXISTING_VALID: State.EXISTS,
        Event.EXISTING_CORRUPT: State.READY,
        Event.RESUME: State.READY,
        Event.NEXT_RANGE: State.READY,
        Event.REQUEST: State.AWAITING_HEAD,
        Event.SEGMENT_END: State.SEGMENT_DONE,
        Event.FILE_END: State.COMPLETE,
    },
    State.AWAITING_HEAD: {
        Event.REDIRECT: State.READY,
        Event.BODY_FOLLOWS: State.BODY_ANNOUNCED,
        Event.NAME_LEARNED: State.NAMED,
        Event.UNCHANGED: State.NOT_MODIFIED,
        Event.VERSION_CHANGED: State.RESTART,
        Event.NOTHING_MISSING: State.COMPLETE,
        Event.CUT: State.STOPPED,
    },
    State.BODY_ANNOUNCED: {
        Event.BODY_START: State.RECEIVING,
    },
    State.RECEIVING: {
        Event.DATA: State.RECEIVING,
        Event.PAUSE: State.RECEIVING,
        Event.BODY_END: State.COMPLETE,
        Event.BODY_RETURNED: State.NAMED,
        Event.CUT: State.STOPPED,
    },
    State.STOPPED: {
        Event.SEGMENT_END: State.SEGMENT_DONE,
        Event.FILE_END: State.COMPLETE,
    },
    State.COMPLETE: {
        Event.NEXT_RANGE: State.READY,
        Event.SEGMENT_END: State.SEGMENT_DONE,
        Event.FILE_END: State.COMPLETE,
        Event.HASHED: State.COMPLETE,
        Event.PROCESSED: State.COMPLETE,
        Event.NAME_TAKEN: State.EXISTS,
    },
    State.SEGMENT_DONE: {},
    State.NOT_MODIFIED: {},
    State.NAMED: {},
    State.EXISTS: {},
    State.RESTART: {},
    State.FAILED: {},
}

TRANSITIONS = {state: _AllowedEvents(state, allowed) for state, allowed in _ALLOWED.items()}
"""``TRANSITIONS[state][event]``: the state that follows. Raises TransitionError for an event that is not allowed."""

ENDS = {
    State.COMPLETE: End.COMPLETE,
    State.SEGMENT_DONE: End.SEGMENT_DONE,
    State.NOT_MODIFIED: End.NOT_MODIFIED,
    State.NAMED: End.NAME_LEARNED,
    State.EXISTS: End.EXISTS,
    State.RESTART: End.MUST_RESTART,
    State.FAILED: End.FAILED,
}
"""How the Attempt ended, by the state that its Transfer ended in."""
