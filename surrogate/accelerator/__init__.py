"""Before and beside an accelerator: is a module ready for IPUs, how would it lie on them, do devices agree."""

from .machines import BOW, GC200, MACHINES, Assumptions, Machine
from .plan import Plan, PlanRequest, make_plans
from .readiness import Finding, check_readiness
from .tracing import Segment, Trace, trace

__all__ = [
    "BOW",
    "GC200",
    "MACHINES",
    "Assumptions",
    "Finding",
    "Machine",
    "Plan",
    "PlanRequest",
    "Segment",
    "Trace",
    "check_readiness",
    "make_plans",
    "trace",
]
