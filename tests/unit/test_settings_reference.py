"""The settings reference."""

from pathlib import Path

from penstock.settings import Settings
from penstock.settings_reference import page, reference

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "settings.md"


def test_the_committed_page_is_current() -> None:
    assert PAGE.read_text() == page(), (
        "run: python -m penstock.settings_reference > docs/reference/settings.md"
    )


def test_every_setting_has_a_row() -> None:
    assert len(reference()) == len(Settings.model_fields)
    assert all(f"| `{entry.name}` |" in page() for entry in reference())
