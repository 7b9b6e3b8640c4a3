"""Where the thresholds of ``tinymm/backend/products.py`` should be: times of one product, done in four ways.

    python benchmarks/product_thresholds.py [--dtype float64]

free: NumPy with all threads of its BLAS library. one: with one thread. held: ``matmul`` without parts. parts: in parts on the
kernels' threads. Microseconds, lower quartiles of turns that alternate. SPLIT is well chosen where "parts" begins to be the
least of the last three, and THREADED where "free" begins to differ from "one".
"""

import argparse
import statistics
import timeit

import numpy as np

from tinymm.backend import products
from tinymm.backend.blas import blas
from tinymm.backend.threads import cpu_count

SHAPES = [(64, 64, 64), (64, 64, 128), (128, 128, 128), (512, 64, 64), (512, 64, 130), (64, 512, 130), (1088, 64, 64),
          (1088, 64, 192), (1088, 64, 256), (1088, 256, 64), (64, 1088, 256), (64, 512, 1024), (1024, 128, 512), (512, 512, 512),
          (2048, 512, 512), (1024, 1024, 1024)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dtype", choices=("float32", "float64"), default="float32")
    dtype = parser.parse_args().dtype
    threads = cpu_count()
    ways = {"free": (threads, None), "one": (1, None), "held": (threads, 1 << 62), "parts": (threads, 1)}
    rng = np.random.default_rng(0)
    print(f"{threads} cores, {dtype}\n{'M':>6}{'K':>6}{'N':>6}{'2^':>7}" + "".join(f"{way:>10}" for way in ways))
    for m, k, n in SHAPES:
        a, b = rng.standard_normal((m, k)).astype(dtype), rng.standard_normal((k, n)).astype(dtype)
        count = max(2, int(1e9 / (m * k * n)))
        taken: dict[str, list[float]] = {way: [] for way in ways}
        for _ in range(12):
            for way, (number, split) in ways.items():
                blas().set_threads(number)
                products.SPLIT = split
                product = np.matmul if split is None else products.matmul
                product(a, b)
                taken[way].append(timeit.timeit(lambda: product(a, b), number=count) / count)
        lower = {way: statistics.quantiles(times)[0] for way, times in taken.items()}
        print(f"{m:>6}{k:>6}{n:>6}{np.log2(m * k * n):>7.1f}" + "".join(f"{1e6 * lower[way]:>10.1f}" for way in ways))


if __name__ == "__main__":
    main()
