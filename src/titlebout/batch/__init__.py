"""Score a table with the model object that is served."""

from titlebout.batch.score_file import default_output, score_file
from titlebout.batch.scoring_job import submit_scoring

__all__ = [
    "default_output",
    "score_file",
    "submit_scoring",
]
