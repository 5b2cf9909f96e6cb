"""Test how a record may change: stored records keep their digests."""

import pytest
from pydantic import Field

from titlebout.spec import Override, Record, Release

RELEASE = Release(
    model="flights",
    model_digest="1" * 64,
    package_digest="2" * 64,
    data_digest="3" * 64,
    code_version="abc",
    configuration_digest="4" * 64,
    threshold=0.25,
    verdict="5" * 64,
)


class Known(Record):
    """Hold what an earlier version wrote."""

    name: str
    limit: float = 0.5


class WithPlainDefault(Known):
    """Add a field in the wrong way."""

    region: str | None = None


class WithExcludedDefault(Known):
    """Add a field in the way of CONTRIBUTING.md."""

    region: str | None = Field(default=None, exclude_if=lambda value: value is None)


@pytest.mark.parametrize(
    ("release", "identity"),
    [
        (RELEASE, "0165195868ff01a52e18144e9f445c539408dac7bdee3b4c58536306337f3df8"),
        (
            RELEASE.model_copy(update={"override": Override(by="ann", reason="a holiday")}),
            "cdeb28a8cbdbd835141b534229df32f653e993b33f8e0c404588406f09ea6ba4",
        ),
    ],
)
def test_release_keeps_its_id(release, identity):
    """Keep the id of stored releases. If this fails, change the new field, not the test."""
    assert release.id == identity


def test_new_field_left_out_at_its_default_changes_no_digest():
    """Give an old record the same digest by the new class."""
    stored = Known(name="a").canonical_json()
    assert WithExcludedDefault.model_validate_json(stored).digest == Known(name="a").digest


def test_new_field_in_use_changes_the_digest_and_comes_back():
    """Give a record with the new field another digest, and read it back."""
    used = WithExcludedDefault(name="a", region="eu")
    assert used.digest != Known(name="a").digest
    assert WithExcludedDefault.model_validate_json(used.canonical_json()) == used


def test_new_field_with_a_plain_default_changes_every_digest():
    """Show the broken variant: a plain default changes the digest of every old record."""
    stored = Known(name="a").canonical_json()
    assert WithPlainDefault.model_validate_json(stored).digest != Known(name="a").digest
