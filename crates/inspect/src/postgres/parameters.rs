//! Which start-up parameters a client may pass to the upstream.
//!
//! An allow-list, for they take effect at the upstream before any inspector sees a statement: `options` can set
//! anything, `replication` changes the protocol, `role` and `session_authorization` change who one is (compare
//! PgBouncer CVE-2025-12819).

use super::Malformed;

const FEATURE_NOT_SUPPORTED: &str = "0A000";
const INSUFFICIENT_PRIVILEGE: &str = "42501";

/// Settings that change how results look or how long things may take, but not what one may do. In lower case, for the
/// server compares names without regard to case.
const ALLOWED: &[&str] = &[
    "application_name",
    "array_nulls",
    "bytea_output",
    "client_encoding",
    "client_min_messages",
    "datestyle",
    "default_transaction_deferrable",
    "default_transaction_isolation",
    "default_transaction_read_only",
    "escape_string_warning",
    "extra_float_digits",
    "geqo",
    "idle_in_transaction_session_timeout",
    "idle_session_timeout",
    "intervalstyle",
    "jit",
    "lc_monetary",
    "lc_numeric",
    "lc_time",
    "lock_timeout",
    "search_path",
    "standard_conforming_strings",
    "statement_timeout",
    "timezone",
    "transaction_timeout",
    "xmloption",
];

/// Whether a parameter is passed upstream (true) or says nothing and is left out (false).
///
/// # Errors
/// [`Malformed`] with the reason and what to do instead, if it is neither.
pub(super) fn passes(name: &str, value: &str) -> Result<bool, Malformed> {
    let lower = name.to_ascii_lowercase();
    match lower.as_str() {
        "replication" if is_false(value) => Ok(false),
        "replication" => Err(Malformed::new("replication connections are not served")
            .sqlstate(FEATURE_NOT_SUPPORTED)
            .hint("connect without `replication`")),
        "options" if value.trim().is_empty() => Ok(false),
        "role" | "session_authorization" => Err(Malformed::new(format!(
            "the start-up parameter `{lower}` would change who you are at the database"
        ))
        .sqlstate(INSUFFICIENT_PRIVILEGE)
        .hint("leave it out: the connection's own user is used")),
        allowed if ALLOWED.contains(&allowed) => Ok(true),
        _ => Err(Malformed::new(format!("the start-up parameter `{}` is not passed on", shown(name)))
            .sqlstate(FEATURE_NOT_SUPPORTED)
            .hint(format!(
                "leave `{}` out (PGOPTIONS sets `options`) and use SET after connecting",
                shown(name)
            ))),
    }
}

/// The spellings of false that the server takes.
fn is_false(value: &str) -> bool {
    ["false", "off", "0", "no"].iter().any(|word| value.eq_ignore_ascii_case(word))
}

/// A hostile name, fit for a message: bounded, without control characters.
fn shown(name: &str) -> String {
    name.chars().take(63).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passes_what_only_shapes_results_whatever_the_case() {
        for name in ["DateStyle", "TimeZone", "client_encoding", "SEARCH_PATH", "statement_timeout"] {
            assert_eq!(passes(name, "x"), Ok(true), "{name}");
        }
    }

    #[test]
    fn leaves_out_what_says_nothing() {
        for value in ["false", "OFF", "0", "no"] {
            assert_eq!(passes("replication", value), Ok(false));
        }
        assert_eq!(passes("options", " "), Ok(false));
    }

    #[test]
    fn refuses_what_escapes_inspection_and_says_what_to_do() {
        let cases = [
            ("replication", "database", "0A000"),
            ("options", "-c role=postgres", "0A000"),
            ("Role", "postgres", "42501"),
            ("session_authorization", "postgres", "42501"),
            ("session_preload_libraries", "x", "0A000"),
        ];
        for (name, value, sqlstate) in cases {
            let refusal = passes(name, value).unwrap_err();
            assert_eq!(refusal.sqlstate, sqlstate, "{name}");
            assert!(refusal.hint.is_some(), "{name}");
            assert!(refusal.what.to_lowercase().contains(&name.to_lowercase()), "{name}");
        }
    }

    #[test]
    fn shows_a_hostile_name_without_control_characters() {
        let refusal = passes(&format!("\u{1b}[2J{}", "x".repeat(500)), "").unwrap_err();
        assert!(refusal.what.len() < 200 && !refusal.what.contains('\u{1b}'));
    }
}
