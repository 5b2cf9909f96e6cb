"""Write a first model.yaml for any table: `titlebout new`."""

from titlebout.scaffold.new_model import Inferred, infer_spec, new_model
from titlebout.scaffold.render_yaml import render_yaml

__all__ = ["Inferred", "infer_spec", "new_model", "render_yaml"]
