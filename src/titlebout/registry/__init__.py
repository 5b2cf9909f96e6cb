"""The one importing room of MLflow: servers, accounts, runs, versions and aliases."""
