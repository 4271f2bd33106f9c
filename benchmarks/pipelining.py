"""How much of a pipeline's time is bubble: the formulas beside processes that really pass micro-batches on (gloo).

Each stage waits instead of computing, 10 ms forward and 20 ms backward, so that the table shows the schedule and its
messages, whatever the number of cores; the shortest of nine counts. Prints a table in
Markdown. Run: python benchmarks/pipelining.py
"""

import os
import tempfile
import time

import torch
from torch import distributed, nn

from ionscreen.surrogate.accelerator.pipelining import PipelineStep, build_schedule
from ionscreen.surrogate.accelerator.schedules import makespan, popart_order
from ionscreen.surrogate.accelerator.stages import efficiency

FORWARD, BACKWARD = 0.010, 0.020
REPEATS = 8


class Wait(torch.autograd.Function):
    """A layer that takes its time."""

    @staticmethod
    def forward(ctx, x):
        time.sleep(FORWARD)
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        time.sleep(BACKWARD)
        return gradient


class Stage(nn.Module):
    """One stage: a weight, so that there is a gradient, and a wait."""

    def __init__(self, last):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))
        self.last = last

    def forward(self, x):
        out = Wait.apply(x * self.weight)
        return out.mean().reshape(1) if self.last else out


def run(rank, stages, counts, folder):
    from torch.distributed.pipelining import PipelineStage

    torch.set_num_threads(1)
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=stages)
    measured = {}
    for count in counts:
        for kind in ("popart", "1f1b"):
            stage = PipelineStage(Stage(rank == stages - 1), rank, stages, torch.device("cpu"))
            schedule = build_schedule(stage, PipelineStep(count, kind), folder)
            x, times = torch.ones(count, 64), []
            for _ in range(REPEATS + 1):
                distributed.barrier()
                start = time.perf_counter()
                given = (x,) if rank == 0 else ()
                schedule.step(*given, **({"target": x} if rank == stages - 1 else {}))
                distributed.barrier()
                times.append(time.perf_counter() - start)
            # Whatever else the machine does only ever makes it longer.
            measured[count, kind] = min(times)
    torch.save(measured, f"{folder}/{rank}.pt")
    distributed.destroy_process_group()


def main():
    columns = ("GA/(GA+2S-2)", "PopART's order, no lockstep, computed", "measured", "1F1B: GA/(GA+S-1)", "measured")
    print("| stages | micro-batches | " + " | ".join(columns) + " |")
    print("|---|---|---|---|---|---|---|")
    for stages in (2, 4):
        counts = (2 * stages - 1, 8, 16, 32)
        with tempfile.TemporaryDirectory() as folder:
            torch.multiprocessing.spawn(run, (stages, counts, folder), nprocs=stages)
            measured = torch.load(f"{folder}/0.pt")
        for count in counts:
            busy = count * (FORWARD + BACKWARD)
            orders = [popart_order(stage, stages, count) for stage in range(stages)]
            shares = (
                efficiency(count, stages),
                busy / makespan(orders, FORWARD, BACKWARD),
                busy / measured[count, "popart"],
                count / (count + stages - 1),
                busy / measured[count, "1f1b"],
            )
            print(f"| {stages} | {count} | " + " | ".join(f"{share:.1%}" for share in shares) + " |", flush=True)


if __name__ == "__main__":
    main()
