"""Send no call to this machine through an HTTP proxy, which cannot reach this machine."""

import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from titlebout import LOOPBACK, NO_PROXY, bypass_proxy

CLIENTS = {  # what each prints is the body, or what it makes of it
    "urllib": "from titlebout.processes import answers; print(answers(url))",
    "predeployment": "from titlebout.release.predeployment import get; print(bool(get(url)))",
    "registry's REST": """
from titlebout.registry.connection import Connection
connection = Connection(environment='e', address=url, user='u', password='p')
print(bool(connection.rest('GET', '2.0/x')))
""",
    "requests, and so MLflow": "import requests; print(requests.get(url, timeout=5).ok)",
    "MLflow": """
from titlebout.registry.connection import Connection
client = Connection(environment='e', address=url, user='u', password='p').client()
client.search_experiments()
print(True)
""",
    "aiohttp": """
import aiohttp, asyncio
async def ask():
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        print(response.ok)
asyncio.run(ask())
""",
    "boto": """
import boto3
keys = {"aws_access_key_id": "a", "aws_secret_access_key": "b"}
client = boto3.client("s3", endpoint_url=url, region_name="us-east-1", **keys)
print(client.get_object(Bucket="b", Key="k")["Body"].read() != b"")
""",
    "s3fs": """
from titlebout.storage import Storage
import os
os.environ |= {"AWS_ENDPOINT_URL": url, "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
print(Storage("s3://b", answer_seconds=5).read("k") != b"")
""",
    "kubernetes": """
import titlebout
from kubernetes import client
api = client.VersionApi(client.ApiClient(client.Configuration(host=url)))
print(api.get_code(_preload_content=False).status == 200)
""",
}


@pytest.fixture
def server():
    """Answer everything with a JSON object that has an ETag."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            body = json.dumps({"any": 1} if "experiments" not in self.path else {}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("ETag", '"1"')
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_POST = do_HEAD = do_GET

        def log_message(self, *_):
            pass

    found = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=found.serve_forever, daemon=True).start()
    yield found
    found.shutdown()
    found.server_close()


@pytest.mark.parametrize("client", CLIENTS)
def test_no_client_sends_a_call_to_this_machine_to_the_proxy(server, client):
    """No library sends a call to this machine through the proxy.

    The proxy's port is closed, so that a call through it fails.
    """
    closed = "http://127.0.0.1:9"
    variables = {
        name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")
    }
    variables |= dict.fromkeys(
        ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "ALL_PROXY"), closed
    )
    code = f"import titlebout\nurl = 'http://127.0.0.1:{server.server_port}'\n{CLIENTS[client]}"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.stdout.strip().endswith("True"), done.stderr[-2000:]


proxies = st.dictionaries(
    st.sampled_from(["http_proxy", "HTTPS_PROXY", "all_proxy", "PATH"]),
    st.sampled_from(["", "http://proxy:3128"]),
)
hosts = st.lists(
    st.sampled_from(["corp.example", "10.0.0.0/8", ".svc", "localhost", "127.0.0.1", "*", " "]),
    max_size=4,
)


@settings(max_examples=200)
@given(variables=proxies, lower=hosts, upper=hosts)
def test_what_a_person_set_is_kept(variables, lower, upper):
    """The machine is added to `no_proxy`, and nothing is removed.

    Twice is as once; without a proxy nothing changes.
    """
    given_hosts = {"no_proxy": ",".join(lower), "NO_PROXY": ",".join(upper)}
    before = variables | {name: value for name, value in given_hosts.items() if value}
    after = dict(before)
    bypass_proxy(after)
    again = dict(after)
    bypass_proxy(again)
    assert again == after
    if not any(variables[name] for name in variables if name != "PATH"):
        assert after == before
        return
    rule = before.get("no_proxy") or before.get("NO_PROXY") or ""
    kept = {host.strip() for host in rule.split(",") if host.strip()}
    for name in NO_PROXY if "*" not in kept else ():
        assert set(after[name].split(",")) == kept | set(LOOPBACK)
