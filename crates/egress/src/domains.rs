//! Host patterns, indexed: which of many rules or routes speak of a host, without looking at the others.

use std::collections::HashMap;

use penstock_domain::Error;

use crate::config::malformed;

/// What one pattern says.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Pattern {
    /// `*`: any host.
    Any,
    /// `api.example.com`: this host.
    Exact(String),
    /// `*.example.com` or, with the domain itself, `.example.com`.
    Suffix { domain: String, itself: bool },
    /// `api-*.example.com`: `*` stands for any run of characters.
    Glob(String),
}

impl Pattern {
    fn parse(text: &str) -> Result<Self, Error> {
        let text = text.to_ascii_lowercase();
        let text = text.strip_suffix('.').unwrap_or(&text);
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.*:".contains(&byte);
        if text.is_empty() || !text.bytes().all(legal) {
            return Err(malformed(format!("the domain pattern {text:?} cannot be read"))
                .hint("write a host name, *.DOMAIN, .DOMAIN, a name with *, or *"));
        }
        if text == "*" {
            return Ok(Self::Any);
        }
        if let Some(domain) = text.strip_prefix("*.").filter(|domain| !domain.contains('*')) {
            return Ok(Self::Suffix { domain: domain.into(), itself: false });
        }
        if let Some(domain) = text.strip_prefix('.').filter(|domain| !domain.contains('*')) {
            return Ok(Self::Suffix { domain: domain.into(), itself: true });
        }
        Ok(if text.contains('*') { Self::Glob(text.into()) } else { Self::Exact(text.into()) })
    }
}

/// Numbered things by the hosts of which they speak.
#[derive(Clone, Debug, Default)]
pub(crate) struct Domains {
    any: Vec<usize>,
    exact: HashMap<String, Vec<usize>>,
    suffix: HashMap<String, Vec<(usize, bool)>>,
    globs: Vec<(String, usize)>,
}

impl Domains {
    /// Adds number `index`, which speaks of the hosts of any of the patterns; none means any host.
    pub(crate) fn add(&mut self, index: usize, patterns: &[String]) -> Result<(), Error> {
        if patterns.is_empty() {
            self.any.push(index);
        }
        for pattern in patterns {
            match Pattern::parse(pattern)? {
                Pattern::Any => self.any.push(index),
                Pattern::Exact(host) => self.exact.entry(host).or_default().push(index),
                Pattern::Suffix { domain, itself } => {
                    self.suffix.entry(domain).or_default().push((index, itself));
                }
                Pattern::Glob(glob) => self.globs.push((glob, index)),
            }
        }
        Ok(())
    }

    /// The numbers that speak of a host, ascending, each once.
    pub(crate) fn of(&self, host: &str) -> Vec<usize> {
        let mut found = self.any.clone();
        if let Some(indexes) = self.exact.get(host) {
            found.extend(indexes);
        }
        if !self.suffix.is_empty() {
            self.by_suffix(host, &mut found);
        }
        let globs = self.globs.iter().filter(|(glob, _)| matches_glob(glob, host));
        found.extend(globs.map(|(_, index)| *index));
        found.sort_unstable();
        found.dedup();
        found
    }

    fn by_suffix(&self, host: &str, found: &mut Vec<usize>) {
        let mut rest = Some(host);
        while let Some(domain) = rest {
            let below = domain.len() < host.len();
            if let Some(entries) = self.suffix.get(domain) {
                found.extend(entries.iter().filter(|(_, itself)| below || *itself).map(|(index, _)| *index));
            }
            rest = domain.split_once('.').map(|(_, parent)| parent);
        }
    }
}

/// Whether `*` in `glob` can stand for runs of characters so that it becomes `text`. Linear in practice: on a
/// mismatch only the last `*` is extended.
pub(crate) fn matches_glob(glob: &str, text: &str) -> bool {
    let (mut glob, mut text) = (glob.as_bytes(), text.as_bytes());
    let mut retry: Option<(&[u8], &[u8])> = None;
    loop {
        match (glob, text) {
            ([b'*', rest @ ..], _) => {
                retry = Some((rest, text));
                glob = rest;
            }
            ([wanted, glob_rest @ ..], [found, text_rest @ ..]) if wanted == found => {
                (glob, text) = (glob_rest, text_rest);
            }
            ([], []) => return true,
            _ => match retry {
                Some((after_star, [_, text_rest @ ..])) => {
                    retry = Some((after_star, text_rest));
                    (glob, text) = (after_star, text_rest);
                }
                _ => return false,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn domains(patterns: &[&[&str]]) -> Domains {
        let mut domains = Domains::default();
        for (index, of_one) in patterns.iter().enumerate() {
            let of_one: Vec<String> = of_one.iter().map(|&text| text.into()).collect();
            domains.add(index, &of_one).unwrap();
        }
        domains
    }

    #[test]
    fn finds_who_speaks_of_a_host_in_order() {
        let some = domains(&[
            &["*.example.com"],
            &["api.example.com", "API.Example.com."],
            &[".example.com"],
            &["api-*.example.com", "*.internal.*"],
            &[],
            &["*"],
            &["192.0.2.1", "2001:db8::1"],
        ]);
        assert_eq!(some.of("api.example.com"), [0, 1, 2, 4, 5]);
        assert_eq!(some.of("example.com"), [2, 4, 5]);
        assert_eq!(some.of("a.b.example.com"), [0, 2, 4, 5]);
        assert_eq!(some.of("api-7.example.com"), [0, 2, 3, 4, 5]);
        assert_eq!(some.of("a.internal.corp"), [3, 4, 5]);
        assert_eq!(some.of("notexample.com"), [4, 5]);
        assert_eq!(some.of("example.com.evil"), [4, 5]);
        assert_eq!(some.of("192.0.2.1"), [4, 5, 6]);
        assert_eq!(some.of("2001:db8::1"), [4, 5, 6]);
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for bad in ["", "a b", "http://a", "a/b", "\u{fc}.example", "."] {
            assert!(Domains::default().add(0, &[bad.into()]).is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn a_glob_is_its_regular_expression(glob in "[ab.*]{0,8}", text in "[ab.]{0,10}") {
            let expression = format!("^{}$", regex::escape(&glob).replace("\\*", ".*"));
            let expected = regex::Regex::new(&expression).unwrap().is_match(&text);
            prop_assert_eq!(matches_glob(&glob, &text), expected);
        }
    }
}
