//! Names of workers, with `*` for any run of characters.

use serde::{Deserialize, Serialize};

/// A name, or a glob of names. Letters match in either case.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Pattern(String);

impl Pattern {
    /// A pattern; `*` stands for any characters, all else for itself.
    pub fn new(pattern: impl Into<String>) -> Self {
        Self(pattern.into())
    }

    /// Whether the whole name matches.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        matches(self.0.as_bytes(), name.as_bytes())
    }
}

/// Every star takes as little as it can; on a mismatch the last one takes one byte more. Earlier stars need no second
/// try, so the work is bounded by the product of the lengths.
fn matches(mut pattern: &[u8], mut name: &[u8]) -> bool {
    let mut resume: Option<(&[u8], &[u8])> = None;
    loop {
        match (pattern.split_first(), name.split_first()) {
            (Some((b'*', rest)), _) => {
                resume = Some((rest, name));
                pattern = rest;
            }
            (Some((wanted, pattern_rest)), Some((byte, name_rest))) if wanted.eq_ignore_ascii_case(byte) => {
                (pattern, name) = (pattern_rest, name_rest);
            }
            (None, None) => return true,
            _ => {
                let Some((after_star, from)) = resume else { return false };
                let Some((_, later)) = from.split_first() else { return false };
                resume = Some((after_star, later));
                (pattern, name) = (after_star, later);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_star_is_any_run_of_characters() {
        for (pattern, name) in [
            ("worker-1", "Worker-1"),
            ("*", ""),
            ("*", "anything"),
            ("worker-*", "worker-"),
            ("*.shop.example", "a.b.shop.example"),
            ("a*b*c", "a-b-b-c"),
            ("a**c", "abc"),
        ] {
            assert!(Pattern::new(pattern).matches(name), "{pattern} {name}");
        }
    }

    #[test]
    fn the_whole_name_has_to_match() {
        for (pattern, name) in [
            ("", "a"),
            ("worker", "worker-1"),
            ("worker-*", "my-worker-1"),
            ("a*b", "a-b-c"),
            ("*.example", "example"),
        ] {
            assert!(!Pattern::new(pattern).matches(name), "{pattern} {name}");
        }
    }

    proptest! {
        #[test]
        fn what_stars_stand_for_does_not_matter(parts in prop::collection::vec("[ab]{0,3}", 1..5), filler in "[ab*]{0,4}") {
            let name = parts.join(&filler);
            prop_assert!(Pattern::new(parts.join("*")).matches(&name));
            prop_assert!(!Pattern::new(parts.join("*") + "x").matches(&name));
        }
    }
}
