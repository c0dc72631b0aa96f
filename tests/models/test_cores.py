import threading

import torch

from models.cores import keep_to_one


def in_a_thread(*work: object) -> int:
    """Run work in a fresh thread and give the number of cores that it has then."""
    found = []

    def run() -> None:
        for call in work:
            assert callable(call)
            call()
        found.append(torch.get_num_threads())

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return found[0]


def test_one_thread_keeps_to_one_core_and_no_other_does() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        assert in_a_thread(keep_to_one) == 1
        assert torch.get_num_threads() == 3
        assert in_a_thread() == 3  # one that begins later
    finally:
        torch.set_num_threads(before)
