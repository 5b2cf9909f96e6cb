"""Read a model's live Service on Kubernetes, and leave any other Service alone."""

import pytest
from support.fake_api_server import CONTEXT

from titlebout.cluster import Api
from titlebout.rollout.kubernetes.live_service import LiveService
from titlebout.spec import NotAllowed

SERVICE = "/api/v1/namespaces/ring-prod/services/storage"
SELECTOR = {"titlebout.io/model": "storage", "titlebout.io/slot": "blue"}


def read() -> LiveService | None:
    """Read the live Service."""
    return LiveService.read(Api(CONTEXT), "ring-prod", "storage")


def test_the_live_service_says_its_slot(api_server):
    """The live Service names its slot by label; before the first release there is none."""
    assert read() is None
    api_server.put(
        SERVICE,
        {"metadata": {"labels": {"titlebout.io/live": "true"}}, "spec": {"selector": SELECTOR}},
    )
    assert read().slot == "blue"


@pytest.mark.parametrize(
    "found",
    [
        {"spec": {"selector": {"titlebout.io/part": "storage"}}},
        {"metadata": {"labels": SELECTOR}, "spec": {"selector": SELECTOR}},
    ],
    ids=["a chart's", "a slot's own"],
)
def test_another_service_is_not_taken_for_it(api_server, found):
    """Refuse a Service of a chart or of another model's slot; the error says what to do."""
    api_server.put(SERVICE, found)
    with pytest.raises(
        NotAllowed, match=r"service ring-prod/storage: .*give the model another name"
    ):
        read()
