// A CUDA thread block on one CPU thread: its threads are fibers that take turns. Read before the CUDA sources.
#include <functional>
#include <math.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>
#include <vector>

#define __global__
#define __device__ static
#define __forceinline__ inline
#define __shared__ static   // blocks run one after the other

struct Three { unsigned x, y, z; };
static Three threadIdx, blockIdx, blockDim, gridDim;
static char* dynamic_shared;

enum Where { RUNNABLE, AT_BARRIER, AT_SHUFFLE, LEFT };
struct Fiber {
    Where where;
    int line;                    // of the barrier
    unsigned delta;              // of the shuffle
    long long sent, received;    // by the shuffle: up to eight bytes
    bool started;
    jmp_buf at;                  // where it goes on; unlike swapcontext, a jump makes no system call
    ucontext_t context;
    std::vector<char> stack;
};
static Fiber fibers[1024];
static int now;
static jmp_buf scheduler;
static std::function<void()> body;

// noipa: the compiler must not conclude that shared memory stays as it is over this call.
__attribute__((noipa)) static void pause_fiber(Where where) {
    fibers[now].where = where;
    if (!_setjmp(fibers[now].at)) _longjmp(scheduler, 1);
    asm volatile("" ::: "memory");
}

static void fiber_main() {
    for (;;) {
        body();
        pause_fiber(LEFT);
    }
}

__attribute__((noipa)) static void resume(int i) {
    now = i;
    threadIdx = {i % blockDim.x, i / blockDim.x % blockDim.y, i / blockDim.x / blockDim.y};
    if (_setjmp(scheduler)) return;
    if (fibers[i].started) _longjmp(fibers[i].at, 1);
    fibers[i].started = true;
    fibers[i].stack.resize(1 << 16);
    getcontext(&fibers[i].context);
    fibers[i].context.uc_stack.ss_sp = fibers[i].stack.data();
    fibers[i].context.uc_stack.ss_size = fibers[i].stack.size();
    fibers[i].context.uc_link = nullptr;
    makecontext(&fibers[i].context, fiber_main, 0);
    setcontext(&fibers[i].context);
}

static void barrier(int line) {
    fibers[now].line = line;
    pause_fiber(AT_BARRIER);
}
#define __syncthreads() barrier(__LINE__)

template <typename T> static T __shfl_down_sync(unsigned mask, T value, unsigned delta) {
    static_assert(sizeof(T) <= sizeof(long long), "a shuffle moves at most eight bytes");
    fibers[now].delta = delta;
    memcpy(&fibers[now].sent, &value, sizeof(T));
    pause_fiber(AT_SHUFFLE);
    memcpy(&value, &fibers[now].received, sizeof(T));
    return value;
}

template <typename T> static T atomicAdd(T* address, T value) {
    T before = *address;
    *address = before + value;
    return before;
}

// CUDA's max and min of floating-point numbers pass over NaN.
static float max(float a, float b) { return fmaxf(a, b); }
static double max(double a, double b) { return fmax(a, b); }
static float min(float a, float b) { return fminf(a, b); }
static double min(double a, double b) { return fmin(a, b); }

static float __int_as_float(int bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

// Run the threads first .. last-1, which are a warp, until each waits at a barrier or has left.
static const char* run_warp(int first, int last, bool backwards) {
    for (;;) {
        for (int i = first; i < last; ++i) {
            int next = backwards ? first + last - 1 - i : i;
            if (fibers[next].where == RUNNABLE) resume(next);
        }
        int shuffling = 0, alike = 0;
        for (int i = first; i < last; ++i) {
            shuffling += fibers[i].where == AT_SHUFFLE;
            alike += fibers[i].where == AT_SHUFFLE && fibers[i].delta == fibers[first].delta;
        }
        if (!shuffling) return nullptr;
        if (last - first < 32) return "a shuffle in a warp of fewer than 32 threads";
        if (alike < 32) return "not all threads of a warp make the same shuffle";
        for (int i = first; i < last; ++i) {
            int from = i + fibers[i].delta;
            fibers[i].received = fibers[from < last ? from : i].sent;
        }
        for (int i = first; i < last; ++i) fibers[i].where = RUNNABLE;
    }
}

// Between two barriers one warp after the other: the first runs as far ahead of the last as it may.
static const char* run_block(int threads, bool backwards) {
    int warps = (threads + 31) / 32;
    for (int i = 0; i < threads; ++i) fibers[i].where = RUNNABLE;
    for (;;) {
        for (int w = 0; w < warps; ++w) {
            int first = 32 * (backwards ? warps - 1 - w : w);
            if (const char* error = run_warp(first, first + 32 < threads ? first + 32 : threads, backwards))
                return error;
        }
        int left = 0;
        for (int i = 0; i < threads; ++i) left += fibers[i].where == LEFT;
        if (left == threads) return nullptr;
        if (left) return "__syncthreads that a thread never reaches";
        for (int i = 0; i < threads; ++i)
            if (fibers[i].line != fibers[0].line) return "threads meet in different __syncthreads";
        for (int i = 0; i < threads; ++i) fibers[i].where = RUNNABLE;
    }
}

// Run a grid; the answer is what went wrong, or null. sizes: grid x y z, block x y z.
static const char* launch(const unsigned* sizes, size_t shared, int backwards, std::function<void()> kernel) {
    body = kernel;
    gridDim = {sizes[0], sizes[1], sizes[2]};
    blockDim = {sizes[3], sizes[4], sizes[5]};
    int threads = blockDim.x * blockDim.y * blockDim.z;
    const size_t guard = 256;
    std::vector<double> memory((shared + 2 * guard) / sizeof(double) + 1);
    dynamic_shared = (char*)memory.data() + guard;
    const char* error = nullptr;
    long long blocks = (long long)gridDim.x * gridDim.y * gridDim.z;
    for (long long k = 0; k < blocks && !error; ++k) {
        long long b = backwards ? blocks - 1 - k : k;
        blockIdx = {unsigned(b % gridDim.x), unsigned(b / gridDim.x % gridDim.y), unsigned(b / gridDim.x / gridDim.y)};
        memset(memory.data(), 0xFF, memory.size() * sizeof(double));
        error = run_block(threads, backwards);
        for (const char* c = (char*)memory.data(); c < (char*)(memory.data() + memory.size()) && !error; ++c)
            if ((c < dynamic_shared || c >= dynamic_shared + shared) && *c != char(0xFF))
                error = "wrote beyond the dynamic shared memory";
    }
    if (error)
        for (Fiber& fiber : fibers) fiber.started = false;   // they stand in the middle of the kernel
    return error;
}
