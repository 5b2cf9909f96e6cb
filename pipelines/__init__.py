"""Define the KFP pipelines. `make pipelines` compiles them to the YAML beside them, which runs."""
