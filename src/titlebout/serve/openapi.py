"""Write the service's OpenAPI document from the model's contract.

Its example can be sent as it is.
"""

from typing import Any

from titlebout.serve.refusals import MAX_ROWS
from titlebout.spec import CODE, ISO, TEXT, Contract, Input

TYPES: dict[str, dict[str, Any]] = {
    "number": {"type": ["number", "null"]},
    "boolean": {"type": ["boolean", "number", "null"], "description": "true or false, 1 or 0"},
    "category": {
        "type": ["string", "null"],
        "description": "an unknown category is predicted as training treats it",
    },
    "date": {"type": ["string", "null"], "format": "date-time", "description": "ISO 8601"},
}
REF = "#/components/schemas/"


def openapi_document(contract: Contract, *, release: str) -> dict[str, Any]:
    """Return the OpenAPI document of the release."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": contract.model,
            "version": release[:12],
            "description": f"Predicts `{contract.target}` ({contract.task}).",
        },
        "paths": {
            "/predict": {"post": _describe_predict(contract)},
            "/invocations": {"post": _describe_invocations(contract)},
            **{path: {"get": _describe_get(summary)} for path, summary in READ_ONLY.items()},
        },
        "components": {"schemas": _schemas(contract)},
    }


READ_ONLY = {
    "/release": "what is served: release, model, slot, engine and contract",
    "/livez": "the process runs",
    "/readyz": "the model is loaded",
    "/healthz": "as /livez",
    "/metrics": "Prometheus metrics",
    "/openapi.json": "this document",
}


def example_row(contract: Contract) -> dict[str, Any]:
    """Return the contract's example as one row."""
    return {column.name: column.example for column in contract.inputs}


def _describe_predict(contract: Contract) -> dict[str, Any]:
    rows = {"type": "array", "items": {"$ref": f"{REF}Row"}, "minItems": 1, "maxItems": MAX_ROWS}
    body = {"oneOf": [{"$ref": f"{REF}Row"}, rows]}
    answer = {"oneOf": [{"$ref": f"{REF}Answer"}, {"$ref": f"{REF}Answers"}]}
    return {
        "summary": "one row, or a list of rows; the answers of a list are in its order",
        "parameters": [
            _header("X-Request-Id", "kept with the prediction; made if absent"),
            _header("X-Event-Time", "when it happened"),
        ],
        "requestBody": _json(body, example_row(contract)),
        "responses": _responses(answer),
    }


def _describe_invocations(contract: Contract) -> dict[str, Any]:
    row = {"$ref": f"{REF}Row"}
    rows = {"type": "array", "items": row}
    split = {
        "type": "object",
        "required": ["columns", "data"],
        "properties": {"columns": {"type": "array"}, "data": {"type": "array"}},
    }
    forms = {
        "dataframe_split": split,
        "dataframe_records": rows,
        "instances": rows,
        "inputs": {"oneOf": [rows, {"type": "object"}]},
    }
    body = {
        "oneOf": [
            {"type": "object", "required": [key], "properties": {key: form}}
            for key, form in forms.items()
        ]
    }
    answer = {
        "type": "object",
        "properties": {"predictions": {"type": "array", "items": {"type": "object"}}},
    }
    return {
        "summary": "MLflow's scoring protocol",
        "requestBody": _json(body, {"dataframe_records": [example_row(contract)]}),
        "responses": _responses(answer),
    }


def _schemas(contract: Contract) -> dict[str, Any]:
    prediction = (
        {"type": "number"}
        if contract.task == "regression"
        else {"type": "string", "enum": list(contract.classes)}
    )
    shares = {
        "type": "object",
        "properties": {name: {"type": "number"} for name in contract.classes},
    }
    about = {
        "request_id": {"type": "string"},
        "release": {"type": "string"},
        "slot": {"type": "string"},
    }
    chosen = {"threshold": {"type": "number"}} if contract.task == "binary" else {}
    one: dict[str, Any] = {"prediction": prediction}
    many: dict[str, Any] = {"predictions": {"type": "array", "items": prediction}}
    if contract.task != "regression":
        one["probabilities"], many["probabilities"] = shares, {"type": "array", "items": shares}
    text = {"type": "string"}
    fault = {
        "type": "object",
        "properties": dict.fromkeys(("subject", "expected", "found", "next"), text),
    }
    return {
        "Row": _row(contract.inputs),
        "Answer": {"type": "object", "properties": {**about, **one, **chosen}},
        "Answers": {"type": "object", "properties": {**about, **many, **chosen}},
        "Error": {"type": "object", "properties": {"request_id": text, "error": fault}},
    }


def _row(inputs: tuple[Input, ...]) -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": [column.name for column in inputs],
        "properties": {column.name: _property(column) for column in inputs},
    }


def _property(column: Input) -> dict[str, Any]:
    """Return the type as JSON has it; a format of the contract's own is accepted beside it."""
    described = {**TYPES[column.type], "examples": [column.example]}
    if column.format is None or column.format in (ISO, CODE, TEXT):
        return described
    if column.type == "number":
        return described | {
            "type": ["number", "string", "null"],
            "description": f"a number, or text written as {column.format}",
        }
    return {
        "type": ["string", "number", "null"],
        "description": f"ISO 8601, or {column.format}",
        "examples": [column.example],
    }


def _responses(answer: dict[str, Any]) -> dict[str, Any]:
    faults = {
        "400": "not readable",
        "413": "too large",
        "415": "packed in a way that is not read",
        "422": "a wrong column or value, named",
        "503": "too many large requests at once; Retry-After says when to come again",
    }
    error = {"$ref": f"{REF}Error"}
    return {
        "200": {"description": "predictions", "content": {"application/json": {"schema": answer}}},
        **{
            status: {"description": text, "content": {"application/json": {"schema": error}}}
            for status, text in faults.items()
        },
    }


def _json(schema: dict[str, Any], example: Any) -> dict[str, Any]:
    return {
        "required": True,
        "content": {"application/json": {"schema": schema, "example": example}},
    }


def _header(name: str, description: str) -> dict[str, Any]:
    return {
        "name": name,
        "in": "header",
        "required": False,
        "description": description,
        "schema": {"type": "string"},
    }


def _describe_get(summary: str) -> dict[str, Any]:
    return {"summary": summary, "responses": {"200": {"description": summary}}}
