"""Slots, the proxy in front of them, and the switch between them; embedded: two processes behind Caddy.

`rollout.kubernetes` has the same on a cluster.
"""

from titlebout.rollout.answering import release_at
from titlebout.rollout.fleet import halt_serving, model_homes, open_model, resume_serving, served_models, serving_status
from titlebout.rollout.ports import Ports
from titlebout.rollout.protocol import Slots
from titlebout.rollout.seal import content_digest
from titlebout.rollout.slots import Deployment, EmbeddedSlots, open_slots
from titlebout.rollout.traffic import Change, Recorded, Settled

__all__ = [
    "Change",
    "Deployment",
    "EmbeddedSlots",
    "Ports",
    "Recorded",
    "Settled",
    "Slots",
    "content_digest",
    "halt_serving",
    "model_homes",
    "open_model",
    "open_slots",
    "release_at",
    "resume_serving",
    "served_models",
    "serving_status",
]
