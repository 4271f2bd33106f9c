"""How many structures one call of a device takes, and what it makes of them."""

from __future__ import annotations

from dataclasses import dataclass

from ...datasets import InvalidInput

__all__ = ["Batching", "whole"]


@dataclass(frozen=True)
class Batching:
    """The loop nest of one call: `iterations` weight updates, each over `accumulation` micro-batches a replica.

    The names are PopTorch's: with B structures in a micro-batch, GA accumulations, R replicas and D iterations a call
    takes N = B·GA·R·D structures and updates the weights D times, each time from B·GA·R structures.

    Parameters
    ----------
    batch_size
        Structures per weight update, B·GA·R.
    accumulation
        GA; 1 for inference.
    replicas
        R.
    iterations
        D.

    Raises
    ------
    InvalidInput
        If a number is below 1, or the batch does not split into whole micro-batches.
    """

    batch_size: int
    accumulation: int = 1
    replicas: int = 1
    iterations: int = 1

    def __post_init__(self) -> None:
        for name in ("batch_size", "accumulation", "replicas", "iterations"):
            whole(name, getattr(self, name), 1)
        shares = self.accumulation * self.replicas
        if self.batch_size % shares:
            raise InvalidInput(
                f"batch_size is {self.batch_size}, which does not split over gradient_accumulation "
                f"{self.accumulation} x replicas {self.replicas} = {shares}; make it a multiple of {shares}."
            )

    @property
    def micro_batch(self) -> int:
        """B: structures that pass through the network together."""
        return self.batch_size // (self.accumulation * self.replicas)

    @property
    def samples_per_call(self) -> int:
        """N = B·GA·R·D."""
        return self.batch_size * self.iterations

    @property
    def updates_per_call(self) -> int:
        """D."""
        return self.iterations

    def calls(self, structures: int) -> int:
        """Return the full calls in one pass over so many structures.

        Raises
        ------
        InvalidInput
            If there is not even one.
        """
        if structures < self.samples_per_call:
            raise InvalidInput(
                f"There are {structures} structures to train on, but one call takes {self.samples_per_call} "
                f"({self.formula}); use more structures, or lower batch_size or device_iterations."
            )
        return structures // self.samples_per_call

    @property
    def formula(self) -> str:
        """N as B x GA x R x D, with the numbers."""
        return (
            f"B x GA x R x D = {self.micro_batch} x {self.accumulation} x {self.replicas} x {self.iterations} "
            f"= {self.samples_per_call}"
        )

    def describe(self, structures: int, full_calls_only: bool = True) -> str:
        """Return what a pass over so many structures does, to be printed before it starts.

        Raises
        ------
        InvalidInput
            As :meth:`calls`, where a call must be full.
        """
        if full_calls_only:
            calls = self.calls(structures)
            left_out = structures - calls * self.samples_per_call
            rest = f"{left_out} structures, others in each epoch, left out"
        else:
            calls = -(-structures // self.samples_per_call)
            rest = f"the last takes {structures - (calls - 1) * self.samples_per_call} structures"
        return (
            f"samples per call N = {self.formula}\n"
            f"weight updates per call D = {self.updates_per_call}, each from B x GA x R = {self.micro_batch} x "
            f"{self.accumulation} x {self.replicas} = {self.batch_size} structures (the effective batch)\n"
            f"an epoch of {structures} structures = {calls} calls = {calls * self.updates_per_call} weight updates; "
            f"{rest}"
        )


def whole(name: str, value: object, low: int, high: int = 2**31) -> None:
    """Refuse what is not a whole number from `low` to `high`.

    Raises
    ------
    InvalidInput
        Naming the field.
    """
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise InvalidInput(f"{name} must be a whole number from {low} to {high}, not {value!r}.")
