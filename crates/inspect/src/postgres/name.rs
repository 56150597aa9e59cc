//! The names of prepared statements and portals.

/// The server's `NAMEDATALEN` less the final NUL: it compares no more of a name, so neither may we, or a statement
/// could be prepared under one name and executed under another.
const NAME_BYTES: usize = 63;

/// A name as the server compares it; empty is the unnamed one.
pub(super) type Name = Box<[u8]>;

/// A name that is coming in piece by piece and ends in NUL.
#[derive(Debug, Default)]
pub(super) struct NameCapture {
    kept: Vec<u8>,
    ended: bool,
}

impl NameCapture {
    /// Takes its part of `bytes`; what stands behind the name's end.
    pub(super) fn push<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        if self.ended {
            return bytes;
        }
        let end = bytes.iter().position(|&byte| byte == 0);
        let (name, rest) = bytes.split_at(end.unwrap_or(bytes.len()));
        let room = NAME_BYTES - self.kept.len().min(NAME_BYTES);
        self.kept.extend(name.iter().take(room));
        self.ended = end.is_some();
        rest.get(1..).unwrap_or_default()
    }

    /// The name, if it has come to its end.
    pub(super) fn finish(self) -> Option<Name> {
        self.ended.then(|| self.kept.into_boxed_slice())
    }
}

/// The name that stands at the start of `bytes`, and what stands behind it.
pub(super) fn split_name(bytes: &[u8]) -> Option<(Name, &[u8])> {
    let mut capture = NameCapture::default();
    let rest = capture.push(bytes);
    Some((capture.finish()?, rest))
}

/// The name, fit for a message.
pub(super) fn shown(name: &[u8]) -> String {
    String::from_utf8_lossy(name).escape_debug().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_at_the_nul_wherever_it_is_cut() {
        for cut in 0..4 {
            let mut capture = NameCapture::default();
            let (first, second) = b"s1\0rest".split_at(cut);
            let behind = [capture.push(first), capture.push(second)].concat();
            assert_eq!(behind, b"rest");
            assert_eq!(capture.finish().as_deref(), Some(b"s1".as_slice()));
        }
        assert_eq!(split_name(b"never ends"), None);
    }

    #[test]
    fn names_are_the_same_where_the_server_takes_them_for_the_same() {
        let long = |tail: &str| {
            let bytes = format!("{}{tail}\0", "x".repeat(NAME_BYTES)).into_bytes();
            split_name(&bytes).map(|(name, _)| name)
        };
        assert_eq!(long("1"), long("2"));
        assert_eq!(long("1").unwrap().len(), NAME_BYTES);
    }
}
