"""Memory of this process: what it holds, what it has held, and what it could still get."""

import resource
import sys
from pathlib import Path

import torch

USUAL = 4 << 30
"""Free bytes where nothing tells."""


def held() -> int:
    """Bytes this process holds now; 0 where nothing tells."""
    return _line(Path("/proc/self/status"), "VmRSS:") or 0


def peak() -> int:
    """Most bytes it has held.

    Linux's own figure where there is one: `ru_maxrss` also remembers the process that started this one.
    """
    unit = 1 if sys.platform == "darwin" else 1024
    return _line(Path("/proc/self/status"), "VmHWM:") or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def free(device: torch.device) -> int:
    """Bytes it can still get: of the machine, of its control group, under its own limits; or of its GPU."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    bounds = [_line(Path("/proc/meminfo"), "MemAvailable:")]
    data = _line(Path("/proc/self/status"), "VmData:") or 0
    for limit in (resource.RLIMIT_DATA, resource.RLIMIT_AS):
        soft, _ = resource.getrlimit(limit)
        if soft != resource.RLIM_INFINITY:
            bounds.append(max(0, soft - data))
    most, used = (_number(Path("/sys/fs/cgroup") / name) for name in ("memory.max", "memory.current"))
    if most is not None and used is not None:
        bounds.append(max(0, most - used))
    return min((bound for bound in bounds if bound is not None), default=USUAL)


def _line(file: Path, name: str) -> int | None:
    """A line `Name: 123 kB` in bytes."""
    if not file.exists():
        return None
    for line in file.read_text(encoding="ascii", errors="replace").splitlines():
        if line.startswith(name):
            return int(line.split()[1]) << 10
    return None


def _number(file: Path) -> int | None:
    try:
        text = file.read_text(encoding="ascii").strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None
