"""KFP pipelines, compiled by `make pipelines` to the YAML beside them: what runs is the YAML."""
