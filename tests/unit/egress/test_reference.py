"""The reference of the configuration."""

from pathlib import Path

from penstock.egress.document import Document
from penstock.egress.reference import page

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "egress.md"


def test_the_committed_page_is_current() -> None:
    assert PAGE.read_text() == page(), "run: python -m penstock.egress.reference > docs/reference/egress.md"


def test_every_key_has_a_row() -> None:
    assert all(f"| `{key}` |" in page() for key in Document.model_fields)
    assert "| `dnsCacheConfig` | `dnsLookupFamily`," in page()
