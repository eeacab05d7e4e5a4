import subprocess
import sys

import pytest

from seqdistill import memory

LARGE = 700 << 20


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the system's figure is all there is")
def test_the_peak_of_a_process_is_its_own_and_not_that_of_the_one_that_started_it() -> None:
    block = bytearray(LARGE)
    assert memory.peak() >= memory.held() >= LARGE
    tell = [sys.executable, "-c", "from seqdistill import memory; print(memory.peak())"]
    assert 1 << 20 < int(subprocess.run(tell, check=True, capture_output=True, text=True).stdout) < LARGE
    del block
    assert memory.held() < memory.peak()


def test_what_is_free_is_within_a_limit_of_the_process() -> None:
    limit = 2 << 30
    tell = (
        "import resource, torch; from seqdistill import memory; "
        f"resource.setrlimit(resource.RLIMIT_DATA, ({limit}, {limit})); print(memory.free(torch.device('cpu')))"
    )
    free = int(subprocess.run([sys.executable, "-c", tell], check=True, capture_output=True, text=True).stdout)
    assert 0 <= free < limit
