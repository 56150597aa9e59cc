//! The fields of ErrorResponse and NoticeResponse (protocol, "Error and Notice Message Fields").

use super::bounded::bounded;

/// Bytes of an error's text that are kept.
pub(super) const ERROR_BYTES: usize = 8 * 1024;

/// SQLSTATE `internal_error`: what libpq assumes where a server names none.
const UNNAMED: &str = "XX000";

/// What an error says, as far as it was captured.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct ErrorFields {
    code: Option<String>,
    message: Option<String>,
    pub(super) hint: Option<String>,
}

impl ErrorFields {
    /// Reads the body of an ErrorResponse, of which the end may be missing.
    pub(super) fn parse(body: &[u8]) -> Self {
        let mut fields = Self::default();
        for field in body.split(|&byte| byte == 0) {
            let Some((kind, value)) = field.split_first() else { break };
            let value = || Some(String::from_utf8_lossy(value).into_owned());
            match kind {
                b'C' => fields.code = value(),
                b'M' => fields.message = value(),
                b'H' => fields.hint = value(),
                _ => {}
            }
        }
        fields
    }

    /// The SQLSTATE.
    pub(super) fn code(&self) -> &str {
        self.code.as_deref().unwrap_or(UNNAMED)
    }

    /// `SQLSTATE: message`, at most [`ERROR_BYTES`] long.
    pub(super) fn text(&self) -> String {
        let text = format!("{}: {}", self.code(), self.message.as_deref().unwrap_or("no message"));
        bounded(&text, ERROR_BYTES).to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_code_message_and_hint() {
        let fields = ErrorFields::parse(b"SERROR\0VERROR\0C42P01\0Mno such table\0Hcreate it\0P15\0\0");
        assert_eq!(fields.text(), "42P01: no such table");
        assert_eq!(fields.hint.as_deref(), Some("create it"));
    }

    #[test]
    fn survives_a_server_that_names_no_code_or_nothing() {
        assert_eq!(ErrorFields::parse(b"Mbroken\0\0").text(), "XX000: broken");
        assert_eq!(ErrorFields::parse(b"").text(), "XX000: no message");
    }

    #[test]
    fn reads_a_message_that_was_cut() {
        assert_eq!(ErrorFields::parse(b"C42601\0Msyntax err").text(), "42601: syntax err");
    }

    #[test]
    fn bounds_the_text_between_characters() {
        let text = ErrorFields::parse(format!("C42601\0M{}\0\0", "ä".repeat(9000)).as_bytes()).text();
        assert!(text.len() <= ERROR_BYTES && text.len() > ERROR_BYTES - 3);
    }
}
