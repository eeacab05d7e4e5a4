"""Whether a module keeps the promises of a learner (see `Learner.forward`), each put to the test on random numbers.

The tests run on a copy in double precision and evaluation mode.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call

from seqdistill.config import LearnerConfig
from seqdistill.errors import SeqDistillError
from seqdistill.learners.base import Learner
from seqdistill.learners.build import LEARNERS, build_learner
from seqdistill.learners.own import OwnLearner, as_learner
from seqdistill.learners.second_derivatives import find_fault
from seqdistill.seeding import seeded

ROWS, MOST_POSITIONS = 3, 8
TOLERANCE = 1e-4
"""Relative difference of what should be equal; wide enough for a module that computes in single precision inside."""


class Finding(NamedTuple):
    """One promise.

    Attributes:
        promise: what was put to the test.
        kept: whether it holds.
        detail: what was found and, if it does not hold, how to mend it.
    """

    promise: str
    kept: bool
    detail: str


@dataclass(frozen=True)
class LearnerReport:
    """What `check_learner` found.

    Attributes:
        learner: name of the class.
        view: as declared.
        findings: in the order of the tests; those that could not be run are left out.
    """

    learner: str
    view: str
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether every promise is kept."""
        return all(finding.kept for finding in self.findings)

    def raise_if_broken(self) -> None:
        """Raise the first promise that is not kept.

        Raises:
            SeqDistillError: naming it.
        """
        for finding in self.findings:
            if not finding.kept:
                raise SeqDistillError(f"{self.learner} cannot be a learner: {finding.promise}: {finding.detail}")

    def __str__(self) -> str:
        lines = [f"{'ok    ' if f.kept else 'BROKEN'}  {f.promise}: {f.detail}" for f in self.findings]
        return "\n".join([f"{self.learner}, view {self.view}", *lines])


class _BrokenError(Exception):
    """A promise that is not kept, and why."""


def check_learner(
    learner: nn.Module | str, *, dim: int = 16, length: int = 12, options: dict[str, Any] | None = None
) -> LearnerReport:
    """Test a module, or what a name of `--learner` stands for, against everything that training and distilling need.

    Args:
        learner: a module with attributes `dim` and `length`, or a name such as "package.module:Class", which is
            constructed.
        dim: width to construct with.
        length: positions to construct with.
        options: further keyword arguments to construct with.

    Raises:
        SeqDistillError: if there is no such class, or it cannot be constructed.
    """
    with seeded(0):
        if isinstance(learner, str):
            config = LearnerConfig.model_validate({"learner": learner, "options": options or {}})
            subject = build_learner(config, dim=dim, length=length)
        else:
            subject = as_learner(copy.deepcopy(learner))
        return _Check(subject, constructed=isinstance(learner, str)).report()


def check_distillable(config: LearnerConfig, *, dim: int, length: int) -> None:
    """Make sure, before any work, that a summary can be distilled with an architecture.

    Raises:
        SeqDistillError: if it cannot have these sizes, or is a class of the user's own that `check_learner` finds
            broken.
    """
    with seeded(0):
        build_learner(config, dim=dim, length=length)
    if config.learner not in LEARNERS:
        check_learner(config.learner, dim=dim, length=length, options=config.options).raise_if_broken()


class _Check:
    """A learner under test, with the sequences it is tested on."""

    def __init__(self, subject: Learner, *, constructed: bool) -> None:
        self.subject = subject
        self.constructed = constructed
        self.module = subject.module if isinstance(subject, OwnLearner) else subject
        self.learner = subject.double().eval()
        self.positions = min(subject.length, MOST_POSITIONS)
        self.embedded = torch.randn(ROWS, self.positions, subject.dim, dtype=torch.float64)
        self.mask = torch.ones(ROWS, self.positions, dtype=torch.bool)
        self.at = torch.tensor([[self.positions - 1]]).expand(ROWS, 1)

    def report(self) -> LearnerReport:
        """All findings; what builds on a broken promise is not tried."""
        tests: tuple[tuple[str, Callable[[], str]], ...] = (
            ("shapes", self.shapes),
            ("soft and hard sequences", self.soft_as_hard),
            ("padding", self.padding),
            ("view", self.view),
            ("parameters", self.parameters),
            ("second derivatives", self.second_derivatives),
        )
        findings: list[Finding] = []
        for promise, test in tests:
            try:
                findings.append(Finding(promise, kept=True, detail=test()))
            except _BrokenError as broken:
                findings.append(Finding(promise, kept=False, detail=str(broken)))
            except Exception as error:  # noqa: BLE001 - whatever a module raises is a finding
                said = str(error).strip().splitlines() or [""]
                findings.append(Finding(promise, kept=False, detail=f"{type(error).__name__}: {said[0]}"))
            if not findings[0].kept:
                break
        return LearnerReport(type(self.module).__name__, self.subject.view, tuple(findings))

    def shapes(self) -> str:
        """One finite state of the right width per position, at every length, and the same ones twice."""
        dim, length = self.learner.dim, self.learner.length
        for positions in sorted({1, self.positions, length}):
            embedded = torch.randn(ROWS, positions, dim, dtype=torch.float64)
            mask = torch.ones(ROWS, positions, dtype=torch.bool)
            at = torch.tensor([[positions - 1, 0]]).expand(ROWS, 2)
            asked = [at[:, :1], at] if self.learner.view == "masked" else [None, at[:, :1], at]
            for which in asked:
                states = self.learner(embedded, mask, which)
                expected = (ROWS, positions if which is None else which.shape[1], dim)
                if tuple(states.shape) != expected:
                    raise _BrokenError(f"{positions} positions give {tuple(states.shape)} instead of {expected}")
                if not states.isfinite().all():
                    raise _BrokenError(f"{positions} positions give states that are not finite")
        if not torch.equal(self.states(), self.states()):
            raise _BrokenError("two passes in evaluation mode differ; does something ignore self.training?")
        return f"[batch, positions, {dim}] for 1 to {length} positions"

    def soft_as_hard(self) -> str:
        """Mixtures of embedded items that are all one item are read as that item."""
        embedding = torch.randn(20, self.learner.dim, dtype=torch.float64)
        items = torch.randint(20, (ROWS, self.positions))
        hard = self.states(embedding[items])
        one_hot = nn.functional.one_hot(items, 20).double()
        _require_equal(self.states(one_hot @ embedding), hard, "a one-hot mixture is not read as the item itself")
        return "a one-hot mixture is read as the item itself"

    def padding(self) -> str:
        """What stands at padded positions, and how many there are, changes nothing."""
        if self.positions == 1:
            return "there is none at one position"
        real = self.positions - max(1, self.positions // 3)
        mask = torch.arange(self.positions).expand(ROWS, -1) < real
        at = torch.full((ROWS, 1), real - 1)
        states = self.learner(self.embedded, mask, at)
        other = torch.where(mask[..., None], self.embedded, torch.randn_like(self.embedded) * 10)
        _require_equal(
            self.learner(other, mask, at), states, "the values at padded positions reach the states; use `mask`"
        )
        trimmed = self.learner(self.embedded[:, :real], mask[:, :real], at)
        _require_equal(trimmed, states, "more padding on the right changes the states; count positions from the left")
        return "neither its values nor its length reach the states"

    def view(self) -> str:
        """What a state depends on is what the view allows."""
        view = self.learner.view
        reads = torch.stack([self._reads(t) for t in range(self.positions)])
        if not (reads[-1, -1] if view == "prefix" else reads.diagonal().all()):
            raise _BrokenError("a state does not depend on the item at its own position")
        if view == "masked":
            leaks = [t for t in range(self.positions - 1) if reads[t, t + 1]]
            if leaks:
                raise _BrokenError(
                    f"the state at {leaks[0]} sees the item at {leaks[0] + 1}, which it has to predict; "
                    "hide the items after the positions `at`"
                )
            return "what is to be predicted is hidden"
        ahead = reads.triu(1).nonzero()
        if view == "causal" and len(ahead) > 0:
            state, seen = (int(position) for position in ahead[0])
            raise _BrokenError(
                f"the state at {state} depends on position {seen}; mask what follows, or declare view = 'prefix'"
            )
        if view == "prefix" and len(ahead) == 0 and self.positions > 1:
            return "it is causal: with view = 'causal' one pass would train all positions"
        return "no state depends on what follows it" if view == "causal" else "sequences are cut, the end is asked for"

    def parameters(self) -> str:
        """Parameters can be given from outside, and drawn anew."""
        given = {name: p.detach() + 0.1 * torch.randn_like(p) for name, p in self.learner.named_parameters()}
        if not given:
            return "there are none"
        from_outside = functional_call(self.learner, given, (self.embedded, self.mask, self.at))
        other = copy.deepcopy(self.learner)
        other.load_state_dict({**other.state_dict(), **given})
        _require_equal(
            from_outside, other(self.embedded, self.mask, self.at), "some are kept elsewhere than in the module itself"
        )
        if self.constructed:
            before = {name: p.detach().clone() for name, p in other.named_parameters()}
            other.reset_parameters()
            same = [name for name, p in other.named_parameters() if torch.equal(before[name], p)]
            if same:
                raise _BrokenError(f"{same[0]} is not drawn anew by reset_parameters")
        return f"{sum(p.numel() for p in given.values()):,} numbers, given from outside or drawn anew"

    def second_derivatives(self) -> str:
        """They exist and are those of the first derivatives."""
        fault = find_fault(self.learner, (self.embedded, self.mask, self.at), self.module)
        if fault is not None:
            raise _BrokenError(fault)
        return "those of every layer agree with differences of first ones"

    def states(self, embedded: Tensor | None = None) -> Tensor:
        """States at the end of full sequences."""
        return self.learner(self.embedded if embedded is None else embedded, self.mask, self.at)

    def _reads(self, t: int) -> Tensor:
        """Which positions the state at t depends on, bool [positions]."""
        embedded = self.embedded.clone().requires_grad_()
        states = self.learner(embedded, self.mask, torch.full((ROWS, 1), t))
        # The product with zero gives a path to sequences that are not read at all.
        weighted = (states * torch.randn_like(states)).sum() + (embedded * 0).sum()
        (gradient,) = torch.autograd.grad(weighted, embedded)
        return (gradient != 0).any(2).any(0)


def _require_equal(found: Tensor, expected: Tensor, otherwise: str) -> None:
    scale = float(expected.detach().abs().max()) or 1.0
    if float((found - expected).detach().abs().max()) > TOLERANCE * scale:
        raise _BrokenError(otherwise)
