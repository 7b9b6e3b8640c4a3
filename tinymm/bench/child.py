"""One side of a comparison: a process that times pieces of work when it is told to.

Started as ``python child.py FILE``; FILE defines ``WORKS``, a dict of name -> function that sets the work up and
returns a step to call. Reads lines ``name rounds`` and answers each with one line of JSON: the seconds of every step.
"""

import importlib.util
import json
import sys
import time


def main(path: str) -> None:
    spec = importlib.util.spec_from_file_location("side", path)
    side = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(side)
    print(json.dumps({"ready": getattr(side, "VERSION", "")}), flush=True)
    ready = {}
    for line in sys.stdin:
        name, seconds = line.split()
        if name not in ready:
            ready.clear()   # one work's memory at a time
            ready[name] = side.WORKS[name]()
            for _ in range(3):
                ready[name]()
        step, taken, end = ready[name], [], time.perf_counter() + float(seconds)
        while not taken or time.perf_counter() < end:
            start = time.perf_counter()
            step()
            taken.append(time.perf_counter() - start)
        print(json.dumps(taken), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
