"""Describe what a server serves: as JSON at `/release`, as a page at `/`."""

import html
import json
from typing import Any

from titlebout.serve.openapi import example_row
from titlebout.spec import Contract, Release

PAGE = """<!doctype html><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{model}</title>
<style>body{{font:16px/1.5 system-ui,sans-serif;max-width:48rem;margin:3rem auto;padding:0 1rem}}
pre{{background:#8882;padding:1rem;overflow:auto}}</style>
<h1>{model}</h1>
<p>Predicts <b>{target}</b> ({task}). Release <code>{release}</code>, slot {slot},
computed by {engine}: {reason}.</p>
<pre>curl -s {address}/predict -d '{example}'</pre>
<p><a href="release">release</a> · <a href="openapi.json">openapi.json</a> ·
<a href="metrics">metrics</a></p>
"""


def describe_release(
    release: Release, contract: Contract, *, slot: str, threshold: float | None
) -> dict[str, Any]:
    """Return the release and its contract, for `/release`."""
    return {
        "release": release.id,
        "model": release.model,
        "slot": slot,
        "threshold": threshold,
        "engine": contract.engine.model_dump(mode="json"),
        "record": release.model_dump(mode="json"),
        "contract": contract.model_dump(mode="json"),
    }


def render_page(release: Release, contract: Contract, *, slot: str, address: str) -> bytes:
    """Return the page at `/`.

    `address` is the one that the reader used, so the example can be copied.
    """
    example = json.dumps(example_row(contract), ensure_ascii=False).replace("'", "'\\''")
    shown = {
        "model": contract.model,
        "target": contract.target,
        "task": contract.task,
        "release": release.id[:12],
        "slot": slot,
        "engine": contract.engine.name,
        "reason": contract.engine.reason,
        "address": address,
        "example": example,
    }
    return PAGE.format(
        **{name: html.escape(text, quote=False) for name, text in shown.items()}
    ).encode()
