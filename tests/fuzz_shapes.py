"""Call every operation with arguments that do not fit, in child processes, and see what happens.

    python tests/fuzz_shapes.py --calls 100000 --seed 1      # in chunks, each in a process of its own
    python tests/fuzz_shapes.py --seed 1 --only 4711         # one call again, in this process, with all that is known of it

A call comes from ``tests/fuzzing/calls.py``, its change from ``mutations.py``; both follow from the seed and the number of
the call. Verdicts:

=============  ==================================================================================================
refused        an exception of a kind that tinymm raises, whose message begins with the operation's name
legal          it returned what the judges of ``judges.py`` expect: the definition, and PyTorch where it can be asked
unnamed        refused, but the message does not say by whom; Python's own answers to a plain value where a Tensor is due,
               and to an integer beyond 64 bits, are among these
foreign        an exception that stems from an accident: AssertionError, KeyError, AttributeError, ...
lenient        it returned, and PyTorch refuses (with --torch); the definition agrees with what was returned
differs        it returned something else than a judge: FAULT
wrong          it returned where its definition raises: FAULT
memory         bytes beside an array were written to: FAULT
signal, hang   the process died, or did not answer in time: FAULT
=============  ==================================================================================================

The exit code is 1 where there is a fault. ``NUMBA_BOUNDSCHECK=1`` lets compiled kernels check their indices; the calls then
run on one thread, since an exception in a parallel loop is lost, and kernels are kept in a cache folder of their own.
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import pathlib
import select
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
FAULTS = ("differs", "wrong", "memory", "signal", "hang", "foreign")
PATIENCE = 180.0       # seconds until a call is taken for one that hangs (it may have to compile a kernel on a busy machine)
MEMORY = 12 << 30      # bytes of address space for a child


def plan(seed: int, number: int):
    """The call of a number, its changed arguments, and the change in words."""
    import numpy as np

    from tests.fuzzing.calls import all_calls
    from tests.fuzzing.mutations import change

    calls = all_calls()
    rng = np.random.Generator(np.random.Philox(key=[seed, number]))
    call = calls[int(rng.integers(len(calls)))]
    args, kwargs, told = change(rng, call.function, call.args, call.kwargs)
    if rng.random() < 0.5:
        args, kwargs = [_single(a) for a in args], {k: _single(v) for k, v in kwargs.items()}
        told += " (float32)"
    return call, args, kwargs, told


def _single(value):
    """float64 arrays as float32."""
    import numpy as np

    from tinymm.autograd.registry import Fixed

    if isinstance(value, Fixed):
        return Fixed(_single(value.array))
    if isinstance(value, np.ndarray) and value.dtype == np.float64 and value.dtype.isnative and value.flags.c_contiguous \
            and value.flags.writeable and value.flags.aligned:
        with np.errstate(all="ignore"):
            return value.astype(np.float32)
    if isinstance(value, (list, tuple)) and any(isinstance(v, (np.ndarray, Fixed)) for v in value):
        return type(value)(_single(v) for v in value)
    return value


def judged(seed: int, number: int, torch: bool = False) -> tuple[str, str, str]:
    """The verdict on one call, why, and the call in words."""
    from tests.fuzzing import guard, judges

    call, args, kwargs, told = plan(seed, number)
    words = f"{call.name} with {told}"
    guard.damaged()
    with guard.margins():
        got = judges.ours(call, args, kwargs)
    damaged = guard.damaged()
    if damaged:
        return "memory", f"{damaged} arrays have bytes beside them changed", words
    if got.error is not None:
        unclear = judges.clear(got.error)
        why = f"{type(got.error).__name__}: {got.error}"
        return unclear.partition(" ")[0] or "refused", why, words
    want = judges.definition(call, args, kwargs)
    if want.error is not None:
        return "wrong", f"the definition raises {type(want.error).__name__}: {want.error}", words
    values = call.compared and judges.tame([*args, *kwargs.values()])
    # A definition may leave out what has no gradient, as the places of maxima.
    apart = judges.difference(got._replace(values=got.values[:len(want.values) or None]), want, values)
    if apart:
        return "differs", f"from the definition: {apart}", words
    if torch and call.torch:
        want = judges.theirs(call, args, kwargs)
        if want.error is not None:
            return "lenient", f"PyTorch: {type(want.error).__name__}: {want.error}", words
        apart = judges.difference(got, want, values)
        if apart:
            return "differs", f"from PyTorch: {apart}", words
    return "legal", "", words


def child(seed: int, first: int, last: int, torch: bool) -> None:
    """Run calls one after the other, and say before each what it is and after each what it gave."""
    import faulthandler
    import warnings

    warnings.simplefilter("ignore")
    faulthandler.enable()
    if sys.platform == "linux":
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, resource.RLIM_INFINITY))
    from tests.fuzzing import guard

    if os.environ.get("NUMBA_BOUNDSCHECK") == "1":
        from tinymm.backend.threads import set_num_threads

        set_num_threads(1)
    guard.spare_the_compiler()
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)   # what a call prints is not an answer
    for number in range(first, last):
        out.write(f"{number}\n")
        out.write(json.dumps([number, *judged(seed, number, torch)]) + "\n")


def run(seed: int, first: int, last: int, torch: bool = False, patience: float = PATIENCE):
    """Judge the calls of a chunk in a child process, and in another where it dies; yields (number, verdict, why, words)."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    if environment.get("NUMBA_BOUNDSCHECK") == "1":
        from tinymm.backend.kernel_cache import wanted_folder

        environment["TINYMM_CACHE_DIR"] = str(wanted_folder().parent / "bounds")
    while first < last:
        command = [sys.executable, __file__, "--child", f"{seed},{first},{last},{int(torch)}"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT, env=environment)
        number, pending = first - 1, b""
        while True:
            ready, _, _ = select.select([process.stdout], [], [], patience)
            read = os.read(process.stdout.fileno(), 1 << 16) if ready else b""
            if not read:
                break
            *lines, pending = (pending + read).split(b"\n")
            for line in lines:
                if line.startswith(b"["):
                    yield tuple(json.loads(line))
                    first = number + 1
                else:
                    number = int(line)
        hung = not ready
        if hung:
            process.kill()
        said = process.communicate()[1].decode(errors="replace")
        if first < last:
            if number < first or process.returncode == 1:
                raise RuntimeError(f"the child did not start, or call {number} cannot be judged:\n{said}")
            verdict = "hang" if hung else "signal"
            yield (number, verdict, f"exit code {process.returncode}\n{said.split('Extension modules')[0][-1500:]}",
                   "see --only (it may end the process)")
            first = number + 1


def main(argv=None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=1000, help="how many calls (1000)")
    parser.add_argument("--seed", type=int, default=1, help="what the calls follow from (1)")
    parser.add_argument("--start", type=int, default=0, help="the number of the first call (0)")
    parser.add_argument("--chunk", type=int, default=5000, help="calls a process (5000)")
    parser.add_argument("--torch", action="store_true", help="ask PyTorch, too")
    parser.add_argument("--only", type=int, metavar="NUMBER", help="one call, in this process")
    parser.add_argument("--log", type=pathlib.Path, help="write every verdict to this file, a JSON line each")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    sys.path.insert(0, str(ROOT))
    if options.child:
        child(*map(int, options.child.split(",")))
        return 0
    if options.only is not None:
        return show(options.seed, options.only, options.torch)
    counts: collections.Counter = collections.Counter()
    start = time.time()
    log = options.log.open("w", buffering=1) if options.log else None
    for first in range(options.start, options.start + options.calls, options.chunk):
        last = min(first + options.chunk, options.start + options.calls)
        for number, verdict, why, words in run(options.seed, first, last, options.torch):
            counts[verdict] += 1
            if log:
                log.write(json.dumps([number, verdict, why, words]) + "\n")
            if verdict in FAULTS:
                print(f"{verdict}: {words}: {why}\n    python tests/fuzz_shapes.py --seed {options.seed} --only {number}"
                      + " --torch" * options.torch, flush=True)
    print(f"seed {options.seed}, {sum(counts.values())} calls in {time.time() - start:.0f} s: "
          + ", ".join(f"{n} {verdict}" for verdict, n in counts.most_common()))
    return int(any(counts[fault] for fault in FAULTS))


def show(seed: int, number: int, torch: bool) -> int:
    """One call with its arguments, what it gave, and the verdict."""
    from tests.fuzzing import guard, judges
    from tinymm.autograd.registry import Sample

    guard.spare_the_compiler()
    call, args, kwargs, told = plan(seed, number)
    print(f"{call.name} with {told}\n    {Sample(*args, **kwargs)}", flush=True)
    for judge in (judges.ours, judges.definition, *([judges.theirs] if torch and call.torch else [])):
        print(f"{judge.__name__}: {judge(call, args, kwargs)}", flush=True)
    verdict, why, _ = judged(seed, number, torch)
    print(f"{verdict}: {why}")
    return int(verdict in FAULTS)


if __name__ == "__main__":
    sys.exit(main())
