//! Text that is cut between characters.

/// The longest start of `text` that is no longer than `limit` bytes.
pub(super) fn bounded(text: &str, limit: usize) -> &str {
    let mut end = text.len().min(limit);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_between_characters() {
        assert_eq!(bounded("aäb", 2), "a");
        assert_eq!(bounded("aäb", 3), "aä");
        assert_eq!(bounded("aäb", 9), "aäb");
        assert_eq!(bounded("ä", 0), "");
    }
}
