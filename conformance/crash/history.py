"""What happened in a run, in one order that all its threads agree on.

What a client does is noted before it is sent and what it hears after it was
received, so that a cause always stands before its effect.
"""

import threading


class History:
    """A growing list of events; see checker.py for what each of them means."""

    def __init__(self):
        self._lock = threading.Lock()
        self._events = []
        self._taken = 0

    def note(self, kind, *details):
        with self._lock:
            self._events.append((kind, *details))

    def __len__(self):
        return self._taken + len(self._events)

    def take(self):
        """The events since the last call."""
        with self._lock:
            events, self._events = self._events, []
            self._taken += len(events)
            return events
