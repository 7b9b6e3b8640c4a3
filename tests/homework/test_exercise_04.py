"""Exercise 4: the solution passes and is right by other means, and every planted mistake is found, named and placed."""

import itertools

import numpy as np
import pytest

from tests.homework.mutants_04 import MUTANTS
from tests.homework.sources import FOLDER, FUNCTIONS, NAME, SOLUTION, changed, handed_in, namespace
from tinymm.homework import check, reference
from tinymm.homework.exercise import find
from tinymm.homework.values import close


@pytest.fixture(scope="module")
def solution():
    return namespace(SOLUTION)


def test_the_solution_passes():
    report = check("04", FOLDER / "solutions" / f"{NAME}.py")
    assert report and report.passed == 7 and [r.function for r in report.results] == FUNCTIONS
    assert not report.problems and not report.notes and not any(r.problems or r.notes for r in report.results)


def test_the_untouched_student_file_is_all_to_do():
    report = check("04", FOLDER / f"{NAME}.py")
    assert not report and [r.verdict for r in report.results] == ["to do"] * 7 and not report.problems


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda m: m.name)
def test_a_mistake_is_found_and_named(mutant, tmp_path):
    task = next(task for task in find(4).tasks if set(mutant.broken) <= set(task.functions))
    report = check("04", handed_in(tmp_path, changed(*mutant.changes)), only=task.name)
    assert {r.function for r in report.results if not r.ok} == set(mutant.broken), repr(report)
    for function, says in mutant.broken.items():
        assert says in "\n".join(report[function].details()), report[function]
        assert report[function].verdict == mutant.verdict or mutant.verdict is None, report[function]
        assert report[function].where.startswith("mutant.py, line "), report[function]


def test_usual_mistakes_are_told_apart():
    """Each differs in the ordinary case from the right answer, and from every other mistake of its task."""
    for task in find(4).tasks:
        case = task.cases_drawn()[0]
        right = reference.values(task.reference, case)
        answers = {"right": [*right, *(reference.gradients(task.reference, task, case, reference.cotangents(right)) or [])]}
        for mistake in task.mistakes:
            values = reference.values(mistake.variant, case)
            answer = [*values, *(reference.gradients(mistake.variant, task, case, reference.cotangents(right)) or [])]
            for text, other in answers.items():
                same = len(answer) == len(other) and all(close(a, b) for a, b in zip(answer, other))
                assert not same, f"{task.name}: {mistake.text!r} looks like {text!r}"
            answers[mistake.text] = answer


@pytest.mark.parametrize("function", FUNCTIONS)
def test_one_function_left_to_do_leaves_the_others(function, tmp_path):
    """The signature's docstring is followed at once by a raise; a backward without its forward cannot be checked."""
    head = SOLUTION.index(f"def {function}(")
    body = SOLUTION.index("### BEGIN SOLUTION", head)
    report = check("04", handed_in(tmp_path, SOLUTION[:body] + "raise NotImplementedError\n    " + SOLUTION[body:]))
    left = {r.function: r.verdict for r in report.results if not r.ok}
    expected = {function: "to do"}
    if function.endswith("forward"):
        expected[function.replace("forward", "backward")] = "not checked"
    assert left == expected


# ---------------------------------------------------------------------- the solution by other means

def test_hard_attention_is_the_gradient_of_the_lower_bound(solution):
    """Over all paths, sum_s p(s) R(s) d log p(s) = d L_s by finite differences, for any baseline."""
    rng = np.random.default_rng(3)
    T, L = 2, 3
    e, rewards = rng.normal(size=(T, L)), {s: rng.uniform(-9, -3) for s in itertools.product(range(L), repeat=T)}

    def alpha(e):
        return np.exp(e) / np.exp(e).sum(1, keepdims=True)

    def bound(e):
        return sum(np.prod(alpha(e)[range(T), s]) * rewards[s] for s in rewards)

    numeric = np.zeros((T, L))
    for at in np.ndindex(T, L):
        step = np.zeros((T, L))
        step[at] = 1e-5
        numeric[at] = (bound(e + step) - bound(e - step)) / 2e-5
    for b in (0.0, -5.0):
        total = np.zeros((T, L))
        for s, reward in rewards.items():
            words = np.ones((1, T), bool)
            _, cache = solution["hard_attention_forward"](e[None], np.array([s]), words, np.array([reward]), b, 1.0, 0.0)
            de, _ = solution["hard_attention_backward"](1.0, cache)
            total += np.prod(alpha(e)[range(T), s]) * de[0]
        np.testing.assert_allclose(total, numeric, rtol=1e-7, atol=1e-9)


def test_the_penalty_is_least_where_the_weights_are_spread(solution):
    """Over all weights with sum C, the least is lam L (tau - C/L)^2, at C/L for each location."""
    C, L, tau, lam = 3, 5, 1.0, 0.7
    even, mask = np.full((1, C, L), 1 / L), np.ones((1, C), bool)
    penalty, cache = solution["doubly_stochastic_forward"](even, mask, tau, lam)
    assert penalty[0] == pytest.approx(lam * L * (tau - C / L) ** 2)
    gradient = solution["doubly_stochastic_backward"](np.ones(1), cache)
    assert np.ptp(gradient) < 1e-12    # along the constraint nothing can be gained
    rng = np.random.default_rng(0)
    for _ in range(20):
        other = rng.dirichlet(np.ones(L), (1, C))
        assert solution["doubly_stochastic_forward"](other, mask, tau, lam)[0] > penalty


def test_the_baseline_by_hand(solution):
    advantage, b = solution["moving_average_baseline"](np.array([[-4.0, -6.0], [-3.0, -3.0], [-2.0, -4.0]]), -1.0)
    np.testing.assert_allclose(b, [-1.4, -1.56, -1.704])
    np.testing.assert_allclose(advantage, [[-3.0, -5.0], [-1.6, -1.6], [-0.44, -2.44]])


@pytest.mark.oracle
def test_the_references_against_torch():
    """Values and gradients of every reference, in every case, against the equations written in PyTorch."""
    torch = pytest.importorskip("torch")
    def soft(a, h, W_a, W_h, u):
        alpha = torch.softmax(torch.tanh(a @ W_a.T + (h @ W_h.T)[:, None]) @ u, 1)
        return torch.einsum("bl,bld->bd", alpha, a), alpha

    def penalty(alpha, mask, tau, lam):
        return (lam * ((tau - torch.einsum("btl,bt->bl", alpha, mask.double())) ** 2).sum(1),)

    def hard(e, s, mask, log_p, b, lambda_r, lambda_e):
        chosen = torch.distributions.Categorical(logits=e)
        terms = lambda_r * (log_p - b).detach()[:, None] * chosen.log_prob(s) + lambda_e * chosen.entropy()
        return ((log_p + (terms * mask).sum(1)).mean(),)

    def baseline(log_p, b_0):
        before = [b_0]
        for k in range(len(log_p)):
            before.append(0.9 * before[-1] + 0.1 * log_p[k].mean())
        return log_p - torch.tensor(before[:-1])[:, None], torch.stack(before[1:])

    worst = 0.0
    for task, equation in zip(find(4).tasks, (soft, penalty, hard, baseline)):
        for case in task.cases_drawn():
            arguments = [torch.tensor(v) if isinstance(v, np.ndarray) else v for v in case.arguments.values()]
            leaves = [a.requires_grad_() for a, name in zip(arguments, case.arguments) if name in task.gradients]
            want, found = equation(*arguments), reference.values(task.reference, case)
            cotangents = reference.cotangents(found)
            pairs = list(zip(found, [w.detach().numpy() for w in want]))
            if leaves:
                gradients = torch.autograd.grad(want, leaves, [torch.tensor(c) for c in cotangents])
                pairs += zip(reference.gradients(task.reference, task, case, cotangents), [g.numpy() for g in gradients])
            worst = max(worst, *(np.abs(a - b).max() / max(np.abs(b).max(), 1) for a, b in pairs))
    assert worst < 1e-12
