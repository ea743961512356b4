"""Process pools: order, bounds, dying workers, and programs without a main guard."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from difusionseg_core.parallel import WorkerDied, as_finished, in_order, process_pool

# Workers run importable functions only, because they do not import this module.


def _square(number):
    return number * number


def test_results_come_in_order_and_few_are_started_early():
    taken = []

    def items():
        for number in range(20):
            taken.append(number)
            yield number

    with ThreadPoolExecutor(2) as pool:
        results = in_order(pool, _square, items(), ahead=3)
        assert next(results) == 0
        assert len(taken) <= 3
        assert list(results) == [number * number for number in range(1, 20)]


def test_finished_items_come_with_their_results():
    with ThreadPoolExecutor(2) as pool:
        found = {item: future.result() for item, future in as_finished(pool, _square, [3, 1, 2])}
    assert found == {1: 1, 2: 4, 3: 9}


@pytest.mark.parametrize(
    ("end", "argument", "reason"),
    [(signal.raise_signal, signal.SIGKILL, "signal 9 (SIGKILL)"), (os._exit, 3, "status 3")],
    ids=["killed", "exit"],
)
def test_the_reason_of_a_dead_worker_is_named(end, argument, reason):
    with pytest.raises(WorkerDied) as caught, process_pool(1) as pool:
        list(in_order(pool, end, [argument], ahead=1))
    assert reason in str(caught.value)
    assert "memory" not in str(caught.value)


def test_an_exception_ends_work_in_progress_at_once():
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt), process_pool(1) as pool:
        pool.submit(abs, 1).result()
        pool.submit(time.sleep, 60)
        raise KeyboardInterrupt
    assert time.monotonic() - began < 30


def test_a_program_without_main_guard_runs_once(tmp_path, root):
    """A program as colcon installs it: importing the file runs the program."""
    program = tmp_path / "installed"
    program.write_text(
        textwrap.dedent(
            """\
            #!/usr/bin/env python3
            from difusionseg_core.parallel import in_order, process_pool

            print("begun", flush=True)
            with process_pool(2) as pool:
                print(list(in_order(pool, abs, [-1, -2, -3], ahead=2)))
            """
        )
    )
    environment = os.environ | {"PYTHONPATH": f"{root}:{os.environ.get('PYTHONPATH', '')}"}
    done = subprocess.run(
        [sys.executable, program], env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["begun", "[1, 2, 3]"]
