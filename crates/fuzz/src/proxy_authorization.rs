//! What a caller of the forward proxy shows of itself.

use http::HeaderValue;
use penstock_egress::Credential;

/// The input is the field's value. No log ever sees the secret in it.
pub(crate) fn credential(data: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(data) else { return };
    match Credential::parse(&value) {
        Ok(shown) => {
            let logged = format!("{shown:?}");
            match shown {
                Credential::Basic { user, .. } => {
                    assert!(logged == format!("Basic({user})") && !user.contains(':'), "a part of the key");
                }
                Credential::Bearer { token } => {
                    assert!(logged == "Bearer" && !token.is_empty() && token.trim() == token);
                }
            }
        }
        Err(error) => {
            let another = Credential::parse(&HeaderValue::from_static("")).err();
            let same =
                another.is_some_and(|another| another.message == error.message && another.hint == error.hint);
            assert!(same, "what was shown is in the error");
        }
    }
}
