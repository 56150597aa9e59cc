//! Which statement a DEALLOCATE names. Some drivers close prepared statements this way and not by a Close message, and
//! the command's tag does not repeat the name.

use super::name::{Name, split_name};

/// The longest text that is looked at.
const TEXT_BYTES: usize = 512;

/// The name in `DEALLOCATE [PREPARE] name`, if that is all that `text` says.
pub(super) fn deallocated(text: &[u8]) -> Option<Name> {
    let text = text.get(..TEXT_BYTES.min(text.len()))?;
    let text = std::str::from_utf8(text).ok()?.trim().trim_end_matches(';').trim_end();
    let rest = keyword(text, "DEALLOCATE")?;
    let name = keyword(rest, "PREPARE").unwrap_or(rest);
    let name = quoted(name).or_else(|| unquoted(name))?;
    // As the server does: a name is compared by its first bytes.
    split_name(format!("{name}\0").as_bytes()).map(|(name, _)| name)
}

/// What stands behind `word` and white space.
fn keyword<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let (head, rest) = text.split_at_checked(word.len())?;
    let spaced = rest.trim_start();
    (head.eq_ignore_ascii_case(word) && spaced.len() < rest.len()).then_some(spaced)
}

/// `"a ""quoted"" identifier"`.
fn quoted(text: &str) -> Option<String> {
    let inner = text.strip_prefix('"')?.strip_suffix('"')?;
    let alone = inner.split("\"\"").all(|part| !part.contains('"'));
    alone.then(|| inner.replace("\"\"", "\""))
}

/// A plain identifier, which the server folds to lower case.
fn unquoted(text: &str) -> Option<String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$';
    (!text.is_empty() && text.bytes().all(plain)).then(|| text.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_name_if_nothing_else_is_said() {
        let cases = [
            ("DEALLOCATE _pg3_7", Some("_pg3_7")),
            ("deallocate prepare S_1 ;", Some("s_1")),
            (" DEALLOCATE \"S \"\"1\"\"\"", Some("S \"1\"")),
            ("DEALLOCATE s1; PREPARE s1 AS SELECT 2", None),
            ("DEALLOCATE \"a\"; x \"b\"", None),
            ("DEALLOCATEs1", None),
            ("DEALLOCATE", None),
            ("SELECT 1", None),
            ("", None),
        ];
        for (text, name) in cases {
            assert_eq!(deallocated(text.as_bytes()).as_deref(), name.map(str::as_bytes), "{text}");
        }
        assert_eq!(deallocated(b"DEALLOCATE \xff"), None);
    }
}
