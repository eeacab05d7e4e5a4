# pyright: basic
"""What every benchmark needs: a case in a fresh process, turns, statistics, and a result that says where it comes from.

A case is a factory `module:function` and its arguments. The process started for it (`python -m benchmarks.harness`)
imports torch, notes its own peak memory (that is the idle process), calls the factory, and then runs the step that the
factory returned each time it is told to. The parent never imports torch.
"""

import argparse
import contextlib
import importlib
import importlib.metadata
import json
import os
import platform
import resource
import signal
import statistics
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "results" / "bench"
KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30

Row = dict[str, Any]
Step = Callable[[], Row | None]
"""One measured step; what it returns is kept under the row's `result`."""


@dataclass(frozen=True)
class Case:
    """Something to measure.

    Attributes:
        label: how the row is told from the others, such as its method and sizes.
        factory: `module:function`; called in the new process with `arguments`, it returns a `Step`.
        arguments: JSON values.
        python: interpreter of the process.
    """

    label: Row
    factory: str
    arguments: Row
    python: str = sys.executable


@dataclass(frozen=True)
class Settings:
    """How to measure.

    Attributes:
        rounds: timed steps of each case after a first one; 0 for the first one alone, where a step takes an hour.
        threads: of torch.
        timeout: seconds a process may work, its warm-up included and its start not.
        memory: bytes a process may hold.
    """

    rounds: int
    threads: int
    timeout: float
    memory: int


def add_arguments(parser: argparse.ArgumentParser, *, rounds: int = 5) -> None:
    """Options common to the benchmarks."""
    parser.add_argument("--rounds", type=int, default=rounds, help="timed steps of each case (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=default_threads(), help="of torch (default: %(default)s)")
    parser.add_argument("--timeout", type=float, default=600.0, help="seconds a process may work (default: 600)")
    parser.add_argument("--memory", type=float, default=None, help="GiB a process may hold (default: what is free)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="print the result instead of writing it to --out")
    parser.add_argument("--out", type=Path, default=None, help="result file (default: results/bench/NAME.json)")


def settings_of(arguments: argparse.Namespace, *, least_rounds: int = 1) -> Settings:
    """The common options, checked; 0 rounds, the first step alone, only where that step is a whole one."""
    if arguments.rounds < least_rounds or arguments.threads < 1:
        raise SystemExit(f"--rounds must be at least {least_rounds}, and --threads 1")
    memory = default_memory() if arguments.memory is None else int(arguments.memory * GIB)
    return Settings(arguments.rounds, arguments.threads, arguments.timeout, memory)


def default_threads() -> int:
    """Cores this process may use, or fewer if OMP_NUM_THREADS says so."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return min(allowed, int(asked)) if asked.isdigit() and int(asked) > 0 else allowed


def default_memory() -> int:
    """Bytes a process may hold without the machine swapping or killing: what is free now, less some for the others."""
    information = _memory_information()
    total, free = information.get("MemTotal", 8 * GIB), information.get("MemAvailable", 6 * GIB)
    return max(GIB, min(int(0.85 * total), free - GIB))


def measure(cases: Sequence[Case], settings: Settings) -> list[Row]:
    """Measure cases in turn: all of them once, then all of them again, so that drift of the machine hits all alike.

    Args:
        cases: each gets a process of its own, all of which live until the last round; one works at a time.
        settings: how.

    Returns:
        A row for each case: its label, `seconds_median`, `seconds_min`, `seconds_max`, `peak_mib` (above the idle
        process), `rounds` (fewer than asked for where `timeout` ran out, 0 for a first step) and `result`; or its label
        and `failed`.
    """
    workers = [_Worker(case, settings) for case in cases]
    try:
        for worker in workers:
            worker.warm_up()
        for _ in range(settings.rounds):
            for worker in workers:
                worker.run()
        return [worker.row() for worker in workers]
    finally:
        for worker in workers:
            worker.close()


def note(text: str) -> None:
    """Tell the person waiting."""
    print(text, file=sys.stderr, flush=True)


def finish(
    name: str, arguments: argparse.Namespace, settings: Settings, rows: list[Row], versions: Row | None = None
) -> None:
    """Print the result or write it to `results/bench/NAME.json`, with all that is needed to judge and repeat it.

    Args:
        name: of the benchmark.
        arguments: of the command line.
        settings: as measured with.
        rows: the result.
        versions: of what else was measured, beside python, torch and seqdistill.
    """
    options = {k: _plain(v) for k, v in vars(arguments).items() if k not in {"json", "out", "threads", "memory"}}
    words = (Path(a).name if os.sep in a else a for a in sys.argv[1:])
    content = {
        "benchmark": name,
        "command": " ".join(["python -m", f"benchmarks.{name}", *words]),
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "seed": arguments.seed,
        "config": options,
        "versions": {
            "python": platform.python_version(),
            **{package: version(package) for package in ("torch", "seqdistill")},
            **(versions or {}),
        },
        "machine": {
            **describe_machine(),
            "threads": settings.threads,
            "limit_gib": round(settings.memory / GIB, 1),
        },
        "rows": rows,
    }
    text = json.dumps(content, indent=1)
    if arguments.json:
        print(text)
        return
    path = arguments.out or RESULTS / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(text + "\n", encoding="utf-8")
    partial.replace(path)
    note(f"wrote {path.name}")


@dataclass
class _Worker:
    """A case's process, seen from the parent."""

    case: Case
    settings: Settings
    seconds: list[float] = field(default_factory=list)
    peak_mib: float = 0.0
    result: Row | None = None
    failed: str | None = None
    spent: float = 0.0
    process: subprocess.Popen[str] | None = None

    def warm_up(self) -> None:
        """Start the process and run one step that is not timed."""
        request = {
            "factory": self.case.factory,
            "arguments": self.case.arguments,
            "threads": self.settings.threads,
            "memory": self.settings.memory,
        }
        self.process = subprocess.Popen(
            [self.case.python, "-m", "benchmarks.harness", json.dumps(request)],
            cwd=ROOT,
            env={**os.environ, "OMP_NUM_THREADS": str(self.settings.threads)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._step()
        if self.failed is None and self.settings.rounds > 0 and 2 * self.spent > self.settings.timeout:
            self._fail(f"a step takes {self.spent:.0f} s, the limit is {self.settings.timeout:.0f} s in all")

    def run(self) -> None:
        """A timed step, unless the case failed or its time would run out."""
        if self.failed is None and self.spent + max(self.seconds, default=0.0) <= self.settings.timeout:
            seconds = self._step()
            if self.failed is None:
                self.seconds.append(seconds)
            elif self.seconds:
                # What was measured before stands; the row tells how many rounds that is.
                self.failed = None
                self.spent = self.settings.timeout + 1

    def row(self) -> Row:
        """The case's row."""
        if self.failed is not None:
            return {**self.case.label, "failed": self.failed}
        seconds = self.seconds or [self.spent]
        row = {
            **self.case.label,
            "seconds_median": statistics.median(seconds),
            "seconds_min": min(seconds),
            "seconds_max": max(seconds),
            "peak_mib": round(self.peak_mib, 1),
            "rounds": len(self.seconds),
        }
        return row if self.result is None else {**row, "result": self.result}

    def close(self) -> None:
        """End the process."""
        if self.process is not None:
            self.process.kill()
            self.process.communicate()

    def _step(self) -> float:
        assert self.process is not None
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        expired = threading.Event()

        def end() -> None:
            expired.set()
            if self.process is not None:
                self.process.kill()

        timer = threading.Timer(max(1.0, self.settings.timeout - self.spent), end)
        timer.start()
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write("step\n")
            self.process.stdin.flush()
        answer = self.process.stdout.readline()
        timer.cancel()
        if not answer:
            code = self.process.wait()
            if expired.is_set():
                self._fail(f"no step within {self.settings.timeout:.0f} s")
            else:
                ended = signal.Signals(-code).name if code < 0 else f"status {code}"
                self._fail(f"the process ended with {ended}; {self._limit()}")
            return 0.0
        reply = json.loads(answer)
        if "failed" in reply:
            self._fail(f"{reply['failed']}; {self._limit()}" if reply["memory"] else reply["failed"])
            return 0.0
        self.spent += reply["seconds"]
        self.peak_mib, self.result = reply["peak_mib"], reply["result"]
        return reply["seconds"]

    def _fail(self, reason: str) -> None:
        self.failed = reason
        note(f"{self.case.label}: {reason}")
        self.close()

    def _limit(self) -> str:
        return f"its limit is {self.settings.memory / GIB:.1f} GiB of memory"


def serve(request: Row) -> None:
    """The other side: run a case's steps as standard input asks for them, and answer in lines of JSON."""
    # Standard output is for the answers; what anything else prints goes to standard error.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def answer(reply: Row) -> None:
        answers.write(json.dumps(reply) + "\n")
        answers.flush()

    # Anonymous memory, which is what tensors are; an address-space limit would also count libraries mapped and unused.
    resource.setrlimit(resource.RLIMIT_DATA, (request["memory"], request["memory"]))
    import torch

    torch.set_num_threads(request["threads"])
    idle = peak_mib()
    module, _, function = request["factory"].partition(":")
    step: Step | None = None
    for _ in sys.stdin:
        try:
            if step is None:
                step = getattr(importlib.import_module(module), function)(**request["arguments"])
            assert step is not None
            started = time.perf_counter()
            result = step()
            seconds = time.perf_counter() - started
        except Exception as error:
            text = str(error).strip().splitlines()
            message = f"{type(error).__name__}: {text[0] if text else ''}"
            memory = isinstance(error, MemoryError) or any(w in str(error) for w in ("alloc", "not enough memory"))
            if memory:
                message = "out of memory"
            else:
                traceback.print_exc()
            answer({"failed": message, "memory": memory})
            return
        answer({"seconds": seconds, "peak_mib": peak_mib() - idle, "result": result})


def peak_mib() -> float:
    """Peak resident memory of this process.

    Linux's VmHWM where there is one: `ru_maxrss` also remembers the process that started this one.
    """
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * KIB / MIB
    unit = 1 if sys.platform == "darwin" else KIB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / MIB


def version(package: str) -> str | None:
    """The installed version of a package, if it is installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _plain(value: object) -> object:
    """An option as a result keeps it: of a path, only the name."""
    if isinstance(value, Path) or (isinstance(value, str) and os.sep in value):
        return Path(value).name
    return [_plain(v) for v in value] if isinstance(value, (list, tuple)) else value


def describe_machine() -> Row:
    """Processor, cores and memory of this machine."""
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "memory_gib": round(_memory_information().get("MemTotal", 0) / GIB, 1),
    }


def _cpu_model() -> str:
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _memory_information() -> dict[str, int]:
    information = Path("/proc/meminfo")
    if not information.exists():
        return {}
    lines = (line.split() for line in information.read_text(encoding="ascii").splitlines())
    return {words[0].rstrip(":"): int(words[1]) * KIB for words in lines if len(words) == 3}


if __name__ == "__main__":
    serve(json.loads(sys.argv[1]))
