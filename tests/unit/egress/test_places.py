"""Lines of a TOML file."""

from penstock.egress.places import nearest_line, toml_lines

TEXT = '''# a comment
listen = [
  "127.0.0.1:1",  # one
  "127.0.0.1:2",
]
text = """
[not.a.table]
key = 1
"""

[dns.inner]
ttl = "1s"

[[profile]]
name = "a"
[[profile.rule]]
allow = "x"
[[profile.rule]]
"quoted key" = { deny = "y" }
dotted.key = 1
[[profile]]
name = "b"
'''


def test_tables_and_keys_have_lines() -> None:
    lines = toml_lines(TEXT)
    assert lines[("listen",)] == 2
    assert lines[("text",)] == 6
    assert lines[("dns", "inner")] == 11
    assert lines[("dns", "inner", "ttl")] == 12
    assert lines[("profile", 0)] == 14
    assert lines[("profile", 0, "name")] == 15
    assert lines[("profile", 0, "rule", 1)] == 18
    assert lines[("profile", 0, "rule", 1, "quoted key", "deny")] == 19
    assert lines[("profile", 0, "rule", 1, "dotted", "key")] == 20
    assert lines[("profile", 1, "name")] == 22
    assert ("not", "a", "table") not in lines


def test_what_has_no_line_takes_that_of_what_is_around_it() -> None:
    lines = toml_lines(TEXT)
    assert nearest_line(lines, ("listen", 1)) == 2
    assert nearest_line(lines, ("profile", 1, "rule", 0)) == 21
    assert nearest_line(lines, ("nothing",)) is None
