"""Run two slots, the proxy in front of them, and the switch between them.

Embedded, they are two processes behind Caddy. `rollout.kubernetes` has the same on a cluster.
"""

from titlebout.rollout.answering_release import release_at
from titlebout.rollout.embedded_slots import Deployment, EmbeddedSlots, open_slots
from titlebout.rollout.fleet import (
    halt_serving,
    model_homes,
    open_model,
    resume_serving,
    served_models,
    serving_status,
)
from titlebout.rollout.ports import Ports
from titlebout.rollout.seal import content_digest
from titlebout.rollout.serving_home import require_known_model, serving_home
from titlebout.rollout.slot_counts import (
    NOTHING_COUNTED,
    OVERLOADED_STATUSES,
    Counted,
    Growth,
    SlotCounts,
    answered,
    counted_pods,
    parse_counts,
    parse_samples,
    slot_pods,
    total,
)
from titlebout.rollout.slots import Slots
from titlebout.rollout.traffic import Change, Recorded, Settled

__all__ = [
    "NOTHING_COUNTED",
    "OVERLOADED_STATUSES",
    "Change",
    "Counted",
    "Deployment",
    "EmbeddedSlots",
    "Growth",
    "Ports",
    "Recorded",
    "Settled",
    "SlotCounts",
    "Slots",
    "answered",
    "content_digest",
    "counted_pods",
    "halt_serving",
    "model_homes",
    "open_model",
    "open_slots",
    "parse_counts",
    "parse_samples",
    "release_at",
    "require_known_model",
    "resume_serving",
    "served_models",
    "serving_home",
    "serving_status",
    "slot_pods",
    "total",
]
