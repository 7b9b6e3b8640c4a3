"""``python -m tinymm gradcheck``: every registered operation against finite differences, rung by rung.

For each sample of each differentiable operation:

- float64, NumPy rung: finite differences of every element (large arguments: random directions);
- float64, Numba rung: values and gradients equal to the NumPy rung's;
- float32, both rungs: gradients within the operation's units in the last place of the float64 ones (samples of the
  first seed, for which operations state them: a random sample can cancel as badly as it likes);
- second derivatives along random directions, where the operation has them.
"""

from __future__ import annotations

import dataclasses
import inspect
import sys
import time

import numpy as np

from ..autograd.gradcheck.run import Check
from ..autograd.gradcheck.compare import Plan, random_signs
from ..autograd.gradcheck.precision import float32_gradients, sensitivity, ulps_apart
from ..autograd.gradcheck.report import GradcheckReport
from ..autograd.gradcheck.second import check_twice
from ..autograd.gradcheck.subject import Subject
from ..autograd.registry import Draw, Fixed, Operation, Sample
from ..autograd.tensor import Tensor
from ..backend.jit import kernel_mode, use_kernels
from ..backend.files import write_json
from ..catalog import load
from .terminal import from_1, output_file

FIRST = Plan(max_elements=48, directions=2, groups=4, singles=4)
SECOND = Plan(max_elements=0, directions=1, groups=0, singles=0, atol=1e-8, rtol=1e-5)
WRITES = ("running_mean", "running_var")     # what an operation is meant to change
NOT_A_DERIVATIVE = {                         # options under which PyTorch's gradient is another thing by definition
    "embedding": ("padding_idx", "scale_grad_by_freq"),
    "cosine_similarity": ("eps",),           # a norm raised to eps is still differentiated as a norm
}
RUNGS_AGREE = 1e-9     # of the largest element


@dataclasses.dataclass
class Row:
    """One operation's line in the table.

    Attributes:
        samples, arguments: how many were checked.
        first, second: worst relative error of first and second derivatives; None where there is nothing to check.
        ulps: worst float32 gradient, in units in the last place; None where it was not compared.
        failures: what went wrong, in sentences with the sample in them.
        kinks: how many arguments had a kink at the sample.
    """

    name: str
    samples: int = 0
    arguments: int = 0
    first: float | None = None
    second: float | None = None
    ulps: float | None = None
    failures: list[str] = dataclasses.field(default_factory=list)
    kinks: int = 0
    seconds: float = 0.0

    @property
    def verdict(self) -> str:
        """ "ok", "FAILED", or why there is nothing to check."""
        if self.failures:
            return "FAILED"
        return "no gradient" if not self.arguments else "ok" if not self.kinks else f"ok ({self.kinks} at a kink)"


def as_call(operation: Operation, sample: Sample):
    """A function of positional inputs, the inputs, and their names; floats require grad unless they are Fixed."""
    def convert(value):
        if isinstance(value, Fixed):
            return Tensor(value.array)
        if isinstance(value, np.ndarray):
            return Tensor(value, requires_grad=value.dtype.kind == "f")
        if isinstance(value, (list, tuple)):
            return type(value)(convert(v) for v in value)
        return value

    count, keys = len(sample.args), list(sample.kwargs)

    def call(*values):
        return operation.function(*values[:count], **dict(zip(keys, values[count:])))

    call.__name__ = operation.name
    names: list[str] = []
    try:
        for p in inspect.signature(operation.function).parameters.values():
            names += [f"{p.name}[{i}]" for i in range(count)] if p.kind is p.VAR_POSITIONAL else [p.name]
    except (TypeError, ValueError):
        pass
    names = [names[i] if i < len(names) else f"input {i}" for i in range(count)]
    return call, [convert(v) for v in (*sample.args, *sample.kwargs.values())], names + keys


def check_operation(operation: Operation, seed: int = 0, row: Row | None = None) -> Row:
    """Check every sample of one operation drawn from ``seed``; see the module. Adds to ``row`` if given."""
    row = row or Row(operation.name)
    start = time.perf_counter()
    for number, sample in enumerate(operation.samples(Draw(seed)) if operation.differentiable else ()):
        where = f"sample {number}, seed {seed} ({operation.name}({sample!r}))"
        try:
            check_sample(row, operation, sample, seed, where)
        except Exception as error:   # one broken operation must not hide the others
            row.failures.append(f"{where}: raised {type(error).__name__}: {error}")
    row.seconds += time.perf_counter() - start
    return row


def check_sample(row: Row, operation: Operation, sample: Sample, seed: int, where: str) -> None:
    """All comparisons of one sample."""
    call, inputs, names = as_call(operation, sample)
    if not any(isinstance(v, Tensor) and v.requires_grad for v in _flat(inputs)):
        return
    subject = lambda: Subject(call, inputs, None, names, WRITES)
    row.samples += 1
    if not any(option in sample.kwargs for option in NOT_A_DERIVATIVE.get(operation.name, ())):
        with use_kernels("numpy"):
            report = Check(subject(), FIRST, seed, curve=False).run()
            row.arguments = max(row.arguments, len(report.arguments))
            row.first = _add(row, report, f"{where}, NumPy rung", row.first)
            if operation.second and report.ok and any(np.prod(a.shape) for a in report.arguments):
                twice = check_twice(call, inputs, SECOND, seed, names=names, writes=WRITES)
                row.second = _add(row, twice, f"{where}, second derivative", row.second)
    rungs_agree(row, operation, subject, seed, where)
    if not operation.random and seed == 0:
        in_float32(row, operation, subject, seed, where)


def rungs_agree(row: Row, operation: Operation, subject, seed: int, where: str) -> None:
    """Values and gradients of the Numba rung against the NumPy rung; where they differ, a check of its own."""
    if kernel_mode() != "numba":
        return
    answers = {}
    for mode in ("numpy", "numba"):
        with use_kernels(mode), subject() as s:
            outputs = s.first_call()
            answers[mode] = [s.flat(outputs), *s.backward(outputs, _cotangent(s, outputs, seed))]
    for which, (a, b) in enumerate(zip(answers["numpy"], answers["numba"])):
        a = np.zeros_like(b) if a is None and b is not None else a
        b = np.zeros_like(a) if b is None and a is not None else b
        if a is None or b is None or not a.size:
            continue
        slack = RUNGS_AGREE * max(np.abs(a[np.isfinite(a)]).max(initial=0.0), 1.0)
        same = a.shape == b.shape and np.allclose(a, b, rtol=RUNGS_AGREE, atol=slack, equal_nan=True)
        if same:
            continue
        with use_kernels("numba"):
            report = Check(subject(), FIRST, seed, curve=False).run()
        if not report.ok:
            _add(row, report, f"{where}, Numba rung", None)
        else:
            row.failures.append(f"{where}: the rungs differ in " +
                                ("the value" if which == 0 else f"the gradient of input {which - 1}"))
        return


def in_float32(row: Row, operation: Operation, subject, seed: int, where: str) -> None:
    """float32 gradients of each rung against its float64 ones at the same rounded inputs."""
    for mode in ("numpy", "numba") if kernel_mode() == "numba" else ("numpy",):
        with use_kernels(mode), subject() as s:
            outputs = s.first_call()
            cotangent = _cotangent(s, outputs, seed)
            narrow, wide = float32_gradients(s, cotangent)
            condition = None
            for i, (leaf, found, want) in enumerate(zip(s.leaves, narrow, wide)):
                ulps, at = ulps_apart(found, want, floor=1.0)
                row.ulps = max(row.ulps or 0.0, ulps)
                if found.dtype != np.float32:
                    row.failures.append(f"{where}, {mode} rung: the float32 gradient of {leaf.name} is {found.dtype}")
                elif ulps > operation.ulps:
                    condition = condition or sensitivity(s, cotangent, wide, floor=1.0)
                    if ulps <= operation.ulps * condition[i]:   # an ill-conditioned sample, not a bad kernel
                        continue
                    row.failures.append(
                        f"{where}, {mode} rung: in float32 the gradient of {leaf.name}{_index(at, want)} is "
                        f"{found.flat[at]:.7g}, in float64 {want.flat[at]:.7g}: {ulps:.0f} units in the last place, "
                        f"{operation.ulps:.0f} are allowed")


def _cotangent(subject: Subject, outputs, seed: int):
    y = subject.flat(outputs)
    return random_signs(np.random.Generator(np.random.Philox(key=seed)), y.size) * np.isfinite(y)


def _index(at: int, array) -> list:
    return [int(i) for i in np.unravel_index(at, array.shape)]


def _flat(value):
    return [part for v in value for part in (_flat(v) if isinstance(v, (list, tuple)) else [v])]


def _add(row: Row, report: GradcheckReport, where: str, worst: float | None) -> float | None:
    for a in report.arguments:
        if not a.ok:
            row.failures.append(f"{where}: {a.name}{list(a.index or ())}: {a.verdict}, analytic {a.analytic:.9g}, "
                                f"numeric {a.numeric:.9g}" + (f"; {a.guess}" if a.guess else ""))
        row.kinks += a.verdict == "kink"
        if not np.isnan(a.error) and a.verdict in ("ok", "wrong"):
            worst = max(worst or 0.0, a.error)
    return worst


def table(rows: list[Row]) -> str:
    """The table that the command prints."""
    show = lambda v: "" if v is None else f"{v:.0e}"
    cells = [["operation", "samples", "arguments", "rel. error", "2nd order", "float32 ulps", "verdict"]]
    cells += [[r.name, str(r.samples), str(r.arguments), show(r.first), show(r.second),
               "" if r.ulps is None else f"{r.ulps:.1f}", r.verdict] for r in rows]
    widths = [max(len(c[i]) for c in cells) for i in range(len(cells[0]))]
    lines = ["  ".join(c.ljust(w) for c, w in zip(row, widths)).rstrip() for row in cells]
    return "\n".join([lines[0], "  ".join("-" * w for w in widths), *lines[1:]])


def add_arguments(parser) -> None:
    """Arguments of ``python -m tinymm gradcheck``."""
    parser.add_argument("--all", action="store_true", help="check the whole registry")
    parser.add_argument("--op", action="append", default=[], metavar="NAME",
                        help="check this operation and its variants (may be given several times)")
    parser.add_argument("--seeds", type=from_1, default=1, metavar="N", help="draw the samples from N seeds (default 1)")
    parser.add_argument("--json", type=output_file, metavar="FILE", help="also write the results here")
    parser.set_defaults(parser=parser)


def run(args) -> int:
    """Check, print the table; 1 if an operation failed."""
    from tqdm.auto import tqdm

    operations = load()
    if not args.all and not args.op:
        args.parser.error("give --all, or --op NAME")
    chosen = [o for o in operations.values() if args.all or o.name in args.op or o.name.partition(":")[0] in args.op]
    missing = [name for name in args.op if not any(name in (o.name, o.name.partition(":")[0]) for o in chosen)]
    if missing:
        args.parser.error(f"no operation named {', '.join(missing)}; there are {', '.join(sorted(operations))}")
    start, rows = time.perf_counter(), []
    for operation in tqdm(chosen, file=sys.stderr, desc="gradcheck", unit="op", disable=None):
        row = Row(operation.name)
        for seed in range(args.seeds):
            check_operation(operation, seed, row)
        rows.append(row)
    seconds = time.perf_counter() - start
    failed = [r for r in rows if r.failures]
    if args.json:   # before anything is printed: the numbers are not lost for a terminal
        write_json(args.json, {"seconds": seconds, "ok": not failed,
                               "operations": [{**dataclasses.asdict(r), "verdict": r.verdict} for r in rows]})
    print(table(rows))
    for row in failed:
        print(f"\n{row.name}:")
        for text in row.failures[:5]:
            print(f"  {text}")
        if len(row.failures) > 5:
            print(f"  ... and {len(row.failures) - 5} more")
    print(f"\n{len(rows)} operations, {sum(r.samples for r in rows)} samples, {len(failed)} failed, {seconds:.0f} s")
    return 1 if failed else 0
