"""no_grad, enable_grad, set_grad_enabled: as contexts, calls and decorators, over threads, generators and coroutines."""

import asyncio
import contextlib
import threading

import pytest

import tinymm
from tinymm import detect_anomaly, enable_grad, is_grad_enabled, no_grad, set_grad_enabled


@pytest.fixture(autouse=True)
def gradients_stay_on():
    assert is_grad_enabled()
    yield
    left = is_grad_enabled()
    set_grad_enabled(True)
    assert left


def in_threads(*targets):
    threads = [threading.Thread(target=t) for t in targets]
    for t in threads:
        t.start()
    for t in threads:
        t.join(20)


def test_one_decorated_function_in_two_threads():
    a_inside, b_inside, a_done, got = threading.Event(), threading.Event(), threading.Event(), {}

    @no_grad()
    def pause(tell, wait):
        tell.set()
        wait.wait(10)

    def a():
        pause(a_inside, b_inside)
        got["a"] = is_grad_enabled()
        a_done.set()

    def b():
        a_inside.wait(10)
        with no_grad():
            pause(b_inside, a_done)
            got["b"] = is_grad_enabled()

    in_threads(a, b)
    assert got == {"a": True, "b": False}


def test_one_switch_object_in_two_threads_and_nested():
    switch, entered, left, got = no_grad(), threading.Event(), threading.Event(), {}

    def a():
        with switch:
            entered.set()
            left.wait(10)
        got["a"] = is_grad_enabled()

    def b():
        entered.wait(10)
        with enable_grad(), switch, switch:
            got["inside"] = is_grad_enabled()
        got["b"] = is_grad_enabled()
        left.set()

    in_threads(a, b)
    assert got == {"a": True, "inside": False, "b": True}


def test_a_generator_closed_by_another_thread_spoils_neither():
    def batches():
        with no_grad():
            yield

    it = batches()

    def start():
        next(it)

    in_threads(start)
    it.close()
    assert is_grad_enabled()


def test_a_call_holds_until_the_next():
    set_grad_enabled(False)
    try:
        assert not is_grad_enabled()
        assert not (tinymm.ones(1).requires_grad_() * 2).requires_grad
    finally:
        set_grad_enabled(True)
    assert is_grad_enabled()


def test_set_grad_enabled_as_a_context_gives_back():
    with set_grad_enabled(False):
        assert not is_grad_enabled()
        with set_grad_enabled(True):
            assert is_grad_enabled()
        assert not is_grad_enabled()
    assert is_grad_enabled()
    switch = set_grad_enabled(False)
    for _ in range(2):
        with switch:
            assert not is_grad_enabled()
        assert is_grad_enabled()


def test_set_grad_enabled_as_a_decorator_switches_nothing_outside():
    @set_grad_enabled(False)
    def inside():
        return is_grad_enabled()

    assert is_grad_enabled()
    assert not inside() and is_grad_enabled()


@pytest.mark.parametrize("mode", [None, 0, 1, "False", tinymm.tensor(True)])
def test_the_mode_is_a_bool(mode):
    with pytest.raises(TypeError, match="set_grad_enabled: mode is True or False"):
        set_grad_enabled(mode)


@pytest.mark.parametrize("switch, inside", [(no_grad, False), (enable_grad, True), (detect_anomaly, True)])
def test_a_decorator_without_parentheses(switch, inside):
    @switch
    def f(a, *, b):
        """Docs."""
        return a, b, is_grad_enabled()

    assert f(1, b=2) == (1, 2, inside) and f.__name__ == "f" and f.__doc__ == "Docs."


@pytest.mark.parametrize("what", [3, None, "f"])
def test_a_switch_takes_no_arguments(what):
    with pytest.raises(TypeError, match="no_grad: takes no arguments"):
        no_grad(what)
    with pytest.raises(TypeError, match="no_grad: decorates functions"):
        no_grad()(what)


def test_a_class_is_not_decorated():
    with pytest.raises(TypeError, match="decorate its methods"):
        @no_grad()
        class Model:
            pass


def test_recursion_and_errors_give_back():
    @no_grad()
    def f(depth):
        assert not is_grad_enabled()
        if depth == 0:
            raise KeyError("end")
        f(depth - 1)

    with pytest.raises(KeyError):
        f(3)
    assert is_grad_enabled()


# ---------------------------------------------------------------------- generators and coroutines

def test_a_generator_computes_without_a_graph_and_its_caller_with_one():
    seen = []

    @no_grad()
    def g():
        seen.append(is_grad_enabled())
        got = yield 1
        seen.append((got, is_grad_enabled()))
        try:
            yield 2
        except ValueError:
            seen.append(is_grad_enabled())
        try:
            yield 3
        finally:
            seen.append(is_grad_enabled())
        return "end"

    it = g()
    assert next(it) == 1 and is_grad_enabled()
    assert it.send("sent") == 2 and is_grad_enabled()
    assert it.throw(ValueError()) == 3 and is_grad_enabled()
    with pytest.raises(StopIteration) as stop:
        next(it)
    assert stop.value.value == "end" and is_grad_enabled()
    assert seen == [False, ("sent", False), False, False]


def test_a_generator_that_is_closed_cleans_up_without_a_graph():
    seen = []

    @no_grad()
    def g():
        try:
            yield
        finally:
            seen.append(is_grad_enabled())

    it = g()
    next(it)
    it.close()
    assert seen == [False] and is_grad_enabled()


def test_two_generators_in_turn():
    @no_grad()
    def off():
        while True:
            yield is_grad_enabled()

    @enable_grad()
    def on():
        while True:
            yield is_grad_enabled()

    with contextlib.closing(off()) as a, contextlib.closing(on()) as b, no_grad():
        assert [(next(a), is_grad_enabled(), next(b), is_grad_enabled()) for _ in range(3)] == [(False, False, True, False)] * 3


def test_coroutines_that_wait_for_each_other():
    seen = []

    @no_grad()
    async def off():
        seen.append(is_grad_enabled())
        await asyncio.sleep(0)
        seen.append(is_grad_enabled())
        return tinymm.ones(1).requires_grad_() * 2

    async def on():
        for _ in range(3):
            seen.append(is_grad_enabled())
            await asyncio.sleep(0)

    async def main():
        return (await asyncio.gather(off(), on()))[0]

    assert not asyncio.run(main()).requires_grad
    assert seen == [False, True, False, True, True] and is_grad_enabled()


def test_asynchronous_generators():
    @no_grad
    async def g():
        for i in range(3):
            await asyncio.sleep(0)
            yield i, is_grad_enabled()

    async def main():
        return [(*item, is_grad_enabled()) async for item in g()]

    assert asyncio.run(main()) == [(i, False, True) for i in range(3)]
