"""How many cores other processes leave free.

A thread that shares its core with another process is a thread that the rest of the team waits for, a time slice at a time.
So work is spread over the cores that are free, which is measured while there is work: what all processes used since the last
look, less what this one did.
"""

from __future__ import annotations

import os
import time

LOOK = 0.1    # seconds from one look to the next: the system counts in hundredths of a second


class Neighbours:
    """The cores that others use, as Linux counts them; elsewhere they are not seen, and count as idle.

    Attributes:
        seen: whether the system tells.
        used: cores that others used between the last two looks.
        next: when to look again, by ``time.monotonic``.
    """

    def __init__(self):
        self.cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
        self.next, self.used = time.monotonic() + LOOK, 0.0
        self._before = self._counts()
        self.seen = self._before is not None

    def _counts(self) -> tuple[float, float, float] | None:
        """Seconds now, seconds that the cores were busy, seconds that this process used them; None where nobody says."""
        try:
            with open("/proc/stat") as file:
                lines = [line.split() for line in file if line.startswith("cpu")]
            ticks = os.sysconf("SC_CLK_TCK")
            busy = sum(sum(map(int, words[1:4] + words[6:9])) for words in lines   # all but idle and iowait
                       if words[0] != "cpu" and int(words[0][3:]) in self.cores)
            return time.monotonic(), busy / ticks, time.process_time()
        except (OSError, ValueError, AttributeError):
            return None

    def look(self) -> float:
        """The cores that others have used since the last look, which was at least some hundredths of a second ago."""
        counts = self._counts()
        self.next = time.monotonic() + LOOK
        if counts is None or self._before is None:
            self.next = float("inf")
            return 0.0
        seconds, busy, own = (now - before for now, before in zip(counts, self._before))
        self._before = counts
        if seconds > 0:
            self.used = min(max((busy - own) / seconds, 0.0), float(len(self.cores)))
        return self.used

    def free(self, cores: int) -> int:
        """Of ``cores``, how many are free: one of which others use less than half is."""
        return max(1, min(cores, int(len(self.cores) - self.used + 0.5))) if self.cores else cores
