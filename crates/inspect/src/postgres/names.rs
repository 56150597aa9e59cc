//! Which text a name stands for: at the server, and once all that is on its way has been done.
//!
//! Two views, because an Execute is told as it passes, before the server has answered the Parse and Bind before it.
//! Were a name to stand for its new text at once and for good, a Parse that the server refuses ("already exists")
//! would lend a harmless text to the statement that is really executed.

use std::{collections::HashMap, sync::Arc};

use super::{Malformed, name::Name, text::Text};

/// The most names of one kind in a session.
const NAMES: usize = 10_000;

/// Names of one kind: of prepared statements, or of portals.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// What the server has confirmed.
    confirmed: HashMap<Name, Arc<Text>>,
    /// What is on its way: the last change of a name, its number, and its text if it is not a Close.
    expected: HashMap<Name, (u64, Option<Arc<Text>>)>,
}

impl Names {
    /// The text once all that is on its way has been done.
    pub(super) fn expected(&self, name: &[u8]) -> Option<&Arc<Text>> {
        match self.expected.get(name) {
            Some((_, text)) => text.as_ref(),
            None => self.confirmed(name),
        }
    }

    /// The text at the server.
    pub(super) fn confirmed(&self, name: &[u8]) -> Option<&Arc<Text>> {
        self.confirmed.get(name)
    }

    /// The change `number` is on its way: the name is to stand for `text`, or for nothing.
    ///
    /// # Errors
    /// [`Malformed`] if there are too many names.
    pub(super) fn expect(
        &mut self,
        name: &Name,
        number: u64,
        text: Option<Arc<Text>>,
    ) -> Result<(), Malformed> {
        if self.confirmed.len() + self.expected.len() >= NAMES && !self.expected.contains_key(name) {
            return Err(Malformed::new(format!("more than {NAMES} prepared statements or portals are open"))
                .sqlstate("53000")
                .hint("close prepared statements that are not used any more"));
        }
        self.expected.insert(name.clone(), (number, text));
        Ok(())
    }

    /// The server has made the change `number`.
    pub(super) fn confirm(&mut self, name: Name, number: u64, text: Option<Arc<Text>>) {
        self.withdraw(&name, number);
        match text {
            Some(text) => self.confirmed.insert(name, text),
            None => self.confirmed.remove(&name),
        };
    }

    /// The change `number` is not on its way any more. A later change of the same name still is.
    pub(super) fn withdraw(&mut self, name: &[u8], number: u64) {
        if self.expected.get(name).is_some_and(|(latest, _)| *latest == number) {
            self.expected.remove(name);
        }
    }

    /// The name is no more at the server.
    pub(super) fn forget(&mut self, name: &[u8]) {
        self.confirmed.remove(name);
    }

    /// No name is left at the server.
    pub(super) fn forget_all(&mut self) {
        self.confirmed.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{capture::Captured, text::Budget},
        *,
    };

    fn text(text: &str) -> Arc<Text> {
        Budget::default().hold(Captured::whole(text.to_owned())).0
    }

    fn name() -> Name {
        b"s1".as_slice().into()
    }

    #[test]
    fn a_refused_change_leaves_the_text_that_was() {
        let mut names = Names::default();
        let (old, new) = (text("drop"), text("select"));
        names.expect(&name(), 1, Some(old.clone())).unwrap();
        names.confirm(name(), 1, Some(old.clone()));
        names.expect(&name(), 2, Some(new.clone())).unwrap();
        assert!(names.expected(b"s1").unwrap().same(&new));
        assert!(names.confirmed(b"s1").unwrap().same(&old));
        names.withdraw(b"s1", 2);
        assert!(names.expected(b"s1").unwrap().same(&old));
    }

    #[test]
    fn a_close_is_expected_before_it_is_done() {
        let mut names = Names::default();
        names.confirm(name(), 1, Some(text("select")));
        names.expect(&name(), 2, None).unwrap();
        assert!(names.expected(b"s1").is_none() && names.confirmed(b"s1").is_some());
        names.confirm(name(), 2, None);
        assert!(names.confirmed(b"s1").is_none());
    }

    #[test]
    fn the_answer_to_an_earlier_change_leaves_a_later_one_expected() {
        let mut names = Names::default();
        let (first, second) = (text("1"), text("2"));
        names.expect(&name(), 1, Some(first.clone())).unwrap();
        names.expect(&name(), 2, Some(second.clone())).unwrap();
        names.confirm(name(), 1, Some(first));
        assert!(names.expected(b"s1").unwrap().same(&second));
    }

    #[test]
    fn the_number_of_names_is_bounded() {
        let mut names = Names::default();
        let one = text("select");
        let numbered = |number: u64| number.to_string().into_bytes().into_boxed_slice();
        for number in 0..NAMES as u64 {
            names.expect(&numbered(number), number, Some(one.clone())).unwrap();
        }
        assert_eq!(names.expect(&name(), 0, None).unwrap_err().sqlstate, "53000");
        names.expect(&numbered(1), 0, None).unwrap();
    }
}
