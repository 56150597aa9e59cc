"""Fingerprints as people write them."""

import pytest
from penstock.domain.certificate import parse_fingerprint
from penstock.domain.errors import Code, PenstockError

BARE = "0f" * 32


@pytest.mark.parametrize("text", [BARE, BARE.upper(), f"sha256:{BARE}", f" {':'.join(['0F'] * 32)}\n"])
def test_a_fingerprint_reads_however_it_is_written(text: str) -> None:
    assert parse_fingerprint(text) == BARE


@pytest.mark.parametrize("text", ["", "office", BARE[:-1], BARE + "0", "md5:" + BARE])
def test_what_is_none_is_refused(text: str) -> None:
    with pytest.raises(PenstockError) as refused:
        parse_fingerprint(text)
    assert refused.value.code is Code.MALFORMED
    assert refused.value.hint
