"""What the bench reads from the operating system."""

import os
import sys

import pytest

from loadtests.accounting import CannotMeasure, cpu_of, cpu_seconds, memory_of, on_core, resident_bytes, two_cores

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="/proc and pinning exist on Linux only")
STAT = (
    "4242 (sluis) serve (x)) S 1 4242 4242 0 -1 4194560 9000 0 0 0 1234 66 7 8 20 0 5 0 12345 300000000 20000 "
    "18446744073709551615 1 1 0 0 0 0 0 4096 16386 0 0 0 17 1 0 0 0 0 0"
)


def test_cpu_time_is_user_plus_system_even_if_the_name_holds_brackets_and_blanks() -> None:
    assert cpu_seconds(STAT, 100) == 13.0


def test_children_and_other_fields_are_not_counted() -> None:
    assert cpu_seconds(STAT.replace(" 7 8 20 ", " 900 900 20 "), 100) == 13.0


def test_resident_memory_is_read_in_bytes() -> None:
    assert resident_bytes("Name:\tsluis\nVmPeak:\t  999 kB\nVmRSS:\t   2048 kB\n") == 2_097_152


def test_a_process_that_has_ended_has_no_memory_to_read() -> None:
    with pytest.raises(CannotMeasure):
        resident_bytes("Name:\tsluis\nState:\tZ (zombie)\n")


@linux_only
def test_this_process_has_used_some_cpu_and_some_memory() -> None:
    assert cpu_of(os.getpid()) > 0
    assert memory_of(os.getpid()) > 1_000_000


@linux_only
def test_pinning_ends_with_its_block() -> None:
    before = os.sched_getaffinity(0)
    with on_core(min(before)):
        assert os.sched_getaffinity(0) == {min(before)}
    assert os.sched_getaffinity(0) == before


@linux_only
def test_one_core_is_not_enough_to_measure() -> None:
    with on_core(min(os.sched_getaffinity(0))), pytest.raises(CannotMeasure, match="two cores"):
        two_cores()
