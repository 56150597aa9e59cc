//! The text of a prepared statement, shared by all that may execute it, and how texts become events.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use blake3::Hash;
use penstock_domain::Event;

use super::capture::Captured;

/// Bytes of all prepared texts of a session that are held; what comes beyond is held as a prefix.
const BUDGET_BYTES: usize = 16 * 1024 * 1024;
/// How much is held of a text that comes beyond the budget.
const PREFIX_BYTES: usize = 256;
/// How much of a text is told again. An Execute is 10 bytes: told in full each time, a chunk of them that executes one
/// long text would become gigabytes. The digest leads to the first time.
const AGAIN_BYTES: usize = 4 * 1024;

/// What all prepared texts of a session hold, in bytes.
#[derive(Clone, Debug, Default)]
pub(super) struct Budget(Arc<AtomicUsize>);

/// A prepared statement's text. Gives back its share of the budget when its last holder is gone.
#[derive(Debug)]
pub(super) struct Text {
    captured: Captured,
    /// BLAKE3 of the whole text. Made once: to hash a long text at each Execute would be work out of proportion.
    digest: Hash,
    told: AtomicBool,
    budget: Budget,
}

impl Budget {
    /// Holds a text. The second part is all of it, if only a prefix could be held.
    pub(super) fn hold(&self, mut captured: Captured) -> (Arc<Text>, Option<Captured>) {
        let full = self.0.load(Ordering::Relaxed) + captured.kept.len() > BUDGET_BYTES;
        let whole = (full && captured.kept.len() > PREFIX_BYTES).then(|| captured.clone());
        if whole.is_some() {
            captured.shorten(PREFIX_BYTES);
        }
        captured.kept.shrink_to_fit();
        let digest = captured.digest();
        self.0.fetch_add(captured.kept.len(), Ordering::Relaxed);
        let told = AtomicBool::new(whole.is_some());
        (Arc::new(Text { captured, digest, told, budget: self.clone() }), whole)
    }

    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Drop for Text {
    fn drop(&mut self) {
        self.budget.0.fetch_sub(self.captured.kept.len(), Ordering::Relaxed);
    }
}

impl Text {
    /// The event that `id` is this text: all that is held the first time, a bounded part later.
    pub(super) fn event(&self, id: u64) -> Event {
        let again = self.told.swap(true, Ordering::Relaxed);
        let captured = match self.captured.kept.get(..AGAIN_BYTES) {
            Some(start) if again => {
                Captured { kept: start.to_vec(), length: self.captured.length, digest: Some(self.digest) }
            }
            _ => self.captured.clone(),
        };
        statement(id, captured)
    }

    /// What is held of it.
    pub(super) fn held(&self) -> &[u8] {
        &self.captured.kept
    }

    /// Whether both are the same text.
    pub(super) fn same(self: &Arc<Self>, other: &Arc<Self>) -> bool {
        Arc::ptr_eq(self, other) || self.digest == other.digest
    }
}

/// The event that `id` is `captured`.
pub(super) fn statement(id: u64, captured: Captured) -> Event {
    let Captured { kept, length, digest } = captured;
    let truncated = kept.len() as u64 != length;
    let (text, lossy) = decode(kept, truncated);
    let digest = digest.or(lossy).map(|hash| hash.to_hex().to_string());
    Event::Statement { id, text, bytes: length, truncated, digest }
}

/// The text, and its digest if what is not UTF-8 had to be replaced.
fn decode(kept: Vec<u8>, truncated: bool) -> (String, Option<Hash>) {
    let error = match String::from_utf8(kept) {
        Ok(text) => return (text, None),
        Err(error) => error,
    };
    let whole_until = error.utf8_error().valid_up_to();
    let cut_within_a_character = truncated && error.utf8_error().error_len().is_none();
    let mut bytes = error.into_bytes();
    if cut_within_a_character {
        bytes.truncate(whole_until);
    }
    (String::from_utf8_lossy(&bytes).into_owned(), Some(blake3::hash(&bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(event: Event) -> (String, u64, bool, Option<String>) {
        let Event::Statement { id: 7, text, bytes, truncated, digest } = event else { panic!("{event:?}") };
        (text, bytes, truncated, digest)
    }

    fn hex(bytes: &[u8]) -> Option<String> {
        Some(blake3::hash(bytes).to_hex().to_string())
    }

    fn captured(bytes: &[u8]) -> Captured {
        Captured { kept: bytes.to_vec(), length: bytes.len() as u64, digest: None }
    }

    #[test]
    fn a_whole_text_needs_no_digest() {
        let event = statement(7, captured("select 'ä'".as_bytes()));
        assert_eq!(parts(event), ("select 'ä'".to_owned(), 11, false, None));
    }

    #[test]
    fn what_is_not_utf_8_is_replaced_and_digested() {
        let event = statement(7, captured(b"select '\xe4'"));
        assert_eq!(parts(event), ("select '\u{fffd}'".to_owned(), 10, false, hex(b"select '\xe4'")));
    }

    #[test]
    fn a_text_cut_within_a_character_ends_before_it() {
        let mut cut = captured("aä€".as_bytes());
        cut.shorten(4);
        let event = statement(7, cut);
        assert_eq!(parts(event), ("aä".to_owned(), 6, true, hex("aä€".as_bytes())));
    }

    #[test]
    fn a_long_text_is_told_in_full_once() {
        let long = vec![b'x'; 3 * AGAIN_BYTES];
        let (text, whole) = Budget::default().hold(captured(&long));
        assert_eq!(whole, None);
        let (first, ..) = parts(text.event(7));
        assert_eq!(first.len(), long.len());
        let (again, bytes, truncated, digest) = parts(text.event(7));
        assert_eq!((again.len(), bytes, truncated), (AGAIN_BYTES, long.len() as u64, true));
        assert_eq!(digest, hex(&long));
    }

    #[test]
    fn beyond_the_budget_only_prefixes_are_held_until_there_is_room() {
        let budget = Budget::default();
        let mega = captured(&vec![b'x'; 1 << 20]);
        let mut held: Vec<_> = (0..16).map(|_| budget.hold(mega.clone())).collect();
        assert!(held.iter().all(|(_, whole)| whole.is_none()));
        let (beyond, whole) = budget.hold(mega.clone());
        assert_eq!(whole, Some(mega.clone()));
        assert_eq!(budget.held(), BUDGET_BYTES + PREFIX_BYTES);
        let (prefix, bytes, truncated, digest) = parts(beyond.event(7));
        assert_eq!((prefix.len(), bytes, truncated), (PREFIX_BYTES, 1 << 20, true));
        assert_eq!(digest, hex(&mega.kept));

        held.truncate(15);
        drop(beyond);
        assert_eq!(budget.hold(mega).1, None);
        drop(held);
        assert_eq!(budget.held(), 0);
    }

    #[test]
    fn texts_are_the_same_by_content() {
        let budget = Budget::default();
        let hold = |text: &str| budget.hold(captured(text.as_bytes())).0;
        assert!(hold("a").same(&hold("a")));
        assert!(!hold("a").same(&hold("b")));
    }
}
