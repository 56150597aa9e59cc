//! Conditions on paths, and paths that two programs would read in two ways.

use std::borrow::Cow;

use penstock_domain::Error;
use regex::Regex;

use crate::config::{PathMatch, malformed};

/// What is known of a request's path.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Path<'a> {
    /// Every program reads it the same; escapes of unreserved characters are undone (RFC 3986 §6.2.2.2).
    Clear(Cow<'a, str>),
    /// Dot segments, doubled slashes, encoded slashes, parameters and the like: an origin may read another
    /// path than we.
    Unclear,
    /// It passes inside a tunnel.
    Hidden,
}

impl<'a> Path<'a> {
    pub(crate) fn new(path: &'a str) -> Self {
        if path.is_empty() {
            return Self::Clear("/".into());
        }
        let Some(decoded) = undo_needless_escapes(path) else { return Self::Unclear };
        let odd = decoded.bytes().any(|byte| matches!(byte, b'\\' | b';' | 0..=0x20 | 0x7f));
        let segments = decoded.strip_prefix('/').map(|rest| rest.split('/'));
        let dots = |segment: &str| matches!(segment, "." | "..");
        let clear = match segments {
            Some(segments) => !segments.clone().any(dots) && !decoded.contains("//"),
            None => false,
        };
        if clear && !odd { Self::Clear(decoded) } else { Self::Unclear }
    }
}

/// None if an escape is broken, or stands for a slash, a backslash, a percent sign or a control character.
fn undo_needless_escapes(path: &str) -> Option<Cow<'_, str>> {
    if !path.contains('%') {
        return Some(path.into());
    }
    let mut out = String::with_capacity(path.len());
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        let digits = after.get(..2).filter(|two| two.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
        let byte = u8::from_str_radix(digits, 16).ok()?;
        match byte {
            b'/' | b'\\' | b'%' | b';' | 0..=0x1f | 0x7f => return None,
            b'-' | b'.' | b'_' | b'~' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => out.push(byte.into()),
            _ => {
                out.push('%');
                out.push_str(&digits.to_ascii_uppercase());
            }
        }
        rest = after.get(2..)?;
    }
    out.push_str(rest);
    Some(out.into())
}

/// Whether a condition holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Seen {
    /// It holds.
    Yes,
    /// It does not.
    No,
    /// It cannot be seen.
    Unseen,
}

/// One compiled condition.
#[derive(Clone, Debug)]
pub(crate) enum Condition {
    /// Any path, but not none: `/` as a prefix.
    Any,
    Prefix(String),
    Exact(String),
    Regex(Regex),
}

impl Condition {
    pub(crate) fn compile(path: &PathMatch) -> Result<Self, Error> {
        Ok(match path {
            PathMatch::Prefix(prefix) if prefix == "/" || prefix.is_empty() => Self::Any,
            PathMatch::Prefix(prefix) => Self::Prefix(normal(prefix)?),
            PathMatch::Exact(path) => Self::Exact(normal(path)?),
            PathMatch::Regex(expression) => Self::Regex(whole(expression)?),
        })
    }

    pub(crate) fn holds(&self, path: &Path<'_>) -> Seen {
        let path = match (self, path) {
            (_, Path::Hidden) => return Seen::Unseen,
            (Self::Any, _) => return Seen::Yes,
            (_, Path::Unclear) => return Seen::Unseen,
            (_, Path::Clear(path)) => path.as_ref(),
        };
        let holds = match self {
            Self::Any => true,
            Self::Prefix(prefix) => path.starts_with(prefix.as_str()),
            Self::Exact(exact) => path == exact,
            Self::Regex(regex) => regex.is_match(path),
        };
        if holds { Seen::Yes } else { Seen::No }
    }
}

fn normal(path: &str) -> Result<String, Error> {
    match Path::new(path) {
        Path::Clear(path) => Ok(path.into_owned()),
        Path::Unclear | Path::Hidden => {
            Err(malformed(format!("the path {path:?} in a condition can be read in two ways"))
                .hint("begin with /, without dot segments, doubled slashes, ; and encoded slashes"))
        }
    }
}

/// Compiles an expression for a whole text.
pub(crate) fn whole(expression: &str) -> Result<Regex, Error> {
    regex::RegexBuilder::new(&format!("^(?:{expression})$")).size_limit(1 << 20).build().map_err(|error| {
        malformed(format!("the regular expression {expression:?} cannot be used: {error}"))
            .hint("look-around and back-references are not supported")
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn clear(path: &str) -> Option<String> {
        match Path::new(path) {
            Path::Clear(path) => Some(path.into_owned()),
            Path::Unclear | Path::Hidden => None,
        }
    }

    #[test]
    fn clear_paths_have_one_spelling() {
        for (path, read) in [
            ("", "/"),
            ("/", "/"),
            ("/a/b", "/a/b"),
            ("/%61dmin", "/admin"),
            ("/a%2Db", "/a-b"),
            ("/a%c3%bc", "/a%C3%BC"),
            ("/a.b/...", "/a.b/..."),
            ("/a%20b", "/a%20b"),
        ] {
            assert_eq!(clear(path).as_deref(), Some(read), "{path}");
        }
    }

    #[test]
    fn paths_with_two_readings_are_unclear() {
        for path in [
            "/a/../b",
            "/./a",
            "/..",
            "/a/%2e%2e/b",
            "/a/.%2E/b",
            "//a",
            "/a//b",
            "/a%2fb",
            "/a%5Cb",
            "/a\\b",
            "/a%00",
            "/a%0d",
            "/a;b",
            "/a%3bb",
            "/a%",
            "/a%2",
            "/a%zz",
            "/a%252e",
            "a",
            "*",
            "/a b",
        ] {
            assert_eq!(Path::new(path), Path::Unclear, "{path}");
        }
    }

    #[test]
    fn conditions_hold_or_do_not_or_cannot_be_seen() {
        let prefix = Condition::compile(&PathMatch::Prefix("/api".into())).unwrap();
        let exact = Condition::compile(&PathMatch::Exact("/x".into())).unwrap();
        let regex = Condition::compile(&PathMatch::Regex("/v[0-9]+/.*|/ok".into())).unwrap();
        let any = Condition::compile(&PathMatch::Prefix("/".into())).unwrap();
        for (condition, path, seen) in [
            (&prefix, "/api/1", Seen::Yes),
            (&prefix, "/%61pi", Seen::Yes),
            (&prefix, "/ap", Seen::No),
            (&prefix, "/x/../api", Seen::Unseen),
            (&exact, "/x", Seen::Yes),
            (&exact, "/x/", Seen::No),
            (&regex, "/v12/a", Seen::Yes),
            (&regex, "/ok", Seen::Yes),
            (&regex, "/ok2", Seen::No),
            (&any, "/x/../api", Seen::Yes),
            (&any, "*", Seen::Yes),
        ] {
            assert_eq!(condition.holds(&Path::new(path)), seen, "{path}");
        }
        assert_eq!(any.holds(&Path::Hidden), Seen::Unseen);
    }

    #[test]
    fn conditions_that_cannot_be_used_are_refused() {
        assert!(Condition::compile(&PathMatch::Prefix("/a/../b".into())).is_err());
        assert!(Condition::compile(&PathMatch::Regex("(".into())).is_err());
        assert!(Condition::compile(&PathMatch::Regex("(?:a{1000}){1000}".into())).is_err());
    }

    proptest! {
        #[test]
        fn a_clear_path_is_clear_again_and_the_same(path in "/[a-c/.%0-9efEF;-]{0,12}") {
            if let Some(read) = clear(&path) {
                prop_assert_eq!(clear(&read), Some(read));
            }
        }
    }
}
