"""Leave a result alone that a scoring Job has written already."""

from titlebout.batch.scoring_pod import score_object


def test_a_result_that_is_there_is_left_alone(tmp_path):
    """Change nothing and ask no registry when a Job is run again after its end."""
    out = tmp_path / "out.parquet"
    out.write_bytes(b"as it was")
    assert (
        score_object("any", "prod", "s3://nowhere/in.csv", f"file://{out}")["found"]
        == "already there"
    )
    assert out.read_bytes() == b"as it was"
