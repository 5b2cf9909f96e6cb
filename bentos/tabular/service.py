"""Define the generic service of a tabular model, as BentoML serves it.

`titlebout.serve` in this Bento does the work.
"""

import gc
from pathlib import Path
from typing import Any

import bentoml

from titlebout.serve.app import Service
from titlebout.serve.failed_requests import FailedRequestRecorder
from titlebout.serve.log_limit import limit_logs
from titlebout.serve.server_settings import read_server_settings

MODEL_FOLDER = Path(__file__).parent / "model"


class Application:
    """Stand in for the service until there is a model.

    The supervisor of `bentoml serve` imports this module and serves nothing.
    """

    service: Service
    recorder: FailedRequestRecorder

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Pass a request on to the service."""
        await self.recorder(scope, receive, send)


application = Application()


# `metrics`: the service has its own, without a series per unknown path. `tracing`: OpenTelemetry's
# middleware costs three times what a prediction does. `timeout`: kept as a timer per request, so it
# is short; the longest request takes a second.
@bentoml.service(
    workers=1,
    traffic={"timeout": 10},
    metrics={"enabled": False},
    logging={"access": {"enabled": False}},
    tracing={"excluded_urls": ".*"},
)
class Tabular:
    """Start the service when BentoML starts its worker."""

    def __init__(self) -> None:
        limit_logs()
        service = application.service = Service(MODEL_FOLDER, read_server_settings())
        application.recorder = FailedRequestRecorder(
            service, is_platform=service.is_probe, salt=service.release_id
        )
        gc.collect()
        gc.freeze()  # what was loaded stays; the collector need not look at it again

    async def __is_ready__(self) -> bool:
        """Tell whether BentoML is to answer `/readyz` with 200; with 503 if not."""
        return application.service.is_ready

    @bentoml.on_shutdown
    def close(self) -> None:
        """Write what the service still holds."""
        application.service.close()


Tabular.mount_asgi_app(application, path="/")
