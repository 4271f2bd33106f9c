"""Graphcore's two IPUs in numbers, and what the model assumes where no number is published.

Both have the same tiles; all of their arithmetic and memory bandwidth goes with the clock, the links do not. With 64
multiply-adds of float16 and 16 of float32 in a tile and cycle the clocks give the published peaks: 250 and 349 Tflop/s
of float16, 62.6 and 87.1 of float32.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["BOW", "GC200", "MACHINES", "Assumptions", "Machine"]


@dataclass(frozen=True)
class Machine:
    """One IPU.

    Parameters
    ----------
    name, title
        In options; in tables.
    clock
        Hz.
    tiles
        Processors, each with its own memory.
    tile_bytes
        Memory of a tile, bytes.
    flops_per_cycle
        Of a tile, by bytes of the type.
    bytes_per_cycle
        That a tile reads and writes from its memory: 47.5 TB/s over all tiles of a GC200.
    link_bandwidth, host_bandwidth
        To other IPUs and to the host, bytes/s.
    """

    name: str
    title: str
    clock: float
    tiles: int = 1472
    tile_bytes: int = 638_976
    flops_per_cycle: tuple[tuple[int, int], ...] = ((2, 128), (4, 32))
    bytes_per_cycle: float = 24.0
    link_bandwidth: float = 320e9
    host_bandwidth: float = 64e9

    @property
    def memory(self) -> int:
        """Bytes."""
        return self.tiles * self.tile_bytes

    def peak(self, bytes_per_element: int) -> float:
        """Return the peak of convolutions and products, flop/s."""
        return self.tiles * self.clock * dict(self.flops_per_cycle)[bytes_per_element]

    @property
    def bandwidth(self) -> float:
        """Of all tiles' memories, bytes/s."""
        return self.tiles * self.clock * self.bytes_per_cycle


# The press says 1.33 to 1.35 GHz; 1.33 is what the published peaks of the GC200 follow from.
GC200 = Machine("gc200", "Colossus GC200", 1.33e9)
BOW = Machine("bow", "Bow", 1.85e9)
MACHINES = {machine.name: machine for machine in (GC200, BOW)}


@dataclass(frozen=True)
class Assumptions:
    """What nobody published and nobody here could measure; a plan is as good as these.

    Parameters
    ----------
    utilisation
        Share of the peak that convolutions and products reach.
    streaming
        Share of the tiles' memory bandwidth that everything else reaches.
    cycles_per_operation
        Synchronisation and exchange around each operator.
    backward
        Time of the backward pass in forward passes.
    headroom
        Share of the memory left for code, exchange buffers and tiles that hold more than the average: the limit is each
        tile's.
    proportion
        Share of the memory that temporaries may take: PopTorch's default.
    """

    utilisation: float = 0.35
    streaming: float = 0.35
    cycles_per_operation: int = 1000
    backward: float = 2.0
    headroom: float = 0.4
    proportion: float = 0.6
