"""Run the registrar: `python -m titlebout.registrar`."""

import threading

from titlebout.cluster import Api
from titlebout.logs import configure_pod_logs
from titlebout.registrar.http_api import serve
from titlebout.registrar.namespace_watch import Watcher
from titlebout.registrar.registrar import Registrar
from titlebout.registrar.settings import RegistrarSettings


def main() -> None:
    """Watch, write ledgers, move aliases and answer over HTTP, until the process ends."""
    configure_pod_logs()
    registrar = Registrar(RegistrarSettings.read())
    threading.Thread(target=serve(registrar).serve_forever, daemon=True).start()
    Watcher(Api(None), registrar.settings.namespace, registrar).start()
    threading.Thread(target=registrar.run_aliases, daemon=True).start()
    registrar.run()


if __name__ == "__main__":
    main()
