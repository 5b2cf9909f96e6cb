"""The generic service of a tabular model, as BentoML serves it; `titlebout.serve` in this Bento does the work."""

import gc
from pathlib import Path
from typing import Any

import bentoml

from titlebout.serve.app import Service
from titlebout.serve.failed_requests import Witness
from titlebout.serve.log_limit import limit_logs
from titlebout.serve.server_settings import read_server_settings

MODEL_FOLDER = Path(__file__).parent / "model"


class Application:
    """What is mounted before there is a model: the supervisor of `bentoml serve` imports this module and serves nothing."""

    service: Service
    witness: Witness

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.witness(scope, receive, send)


application = Application()


# `metrics`: the service has its own, without a series per path that a stranger asks for. `tracing`: OpenTelemetry's middleware costs
# three times what a prediction does. `timeout`: kept as a timer per request, hence short; the longest request takes a second.
@bentoml.service(
    workers=1,
    traffic={"timeout": 10},
    metrics={"enabled": False},
    logging={"access": {"enabled": False}},
    tracing={"excluded_urls": ".*"},
)
class Tabular:
    def __init__(self) -> None:
        limit_logs()
        service = application.service = Service(MODEL_FOLDER, read_server_settings())
        application.witness = Witness(
            service, is_platform=service.is_probe, salt=service.release_id
        )
        gc.collect()
        gc.freeze()  # what was loaded stays; the collector need not look at it again

    async def __is_ready__(self) -> bool:
        """What BentoML asks to answer `/readyz`, with 503 if it is false."""
        return application.service.is_ready

    @bentoml.on_shutdown
    def close(self) -> None:
        application.service.close()


Tabular.mount_asgi_app(application, path="/")
