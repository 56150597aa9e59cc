//! What a configuration of the forward proxy would do with a request.

use penstock_egress::Config;

/// The input is a configuration and a question, with a NUL between them; without one it is the question to a
/// configuration that allows one name.
pub(crate) fn explain(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match text.split_once('\0') {
        Some((config, question)) => {
            if let Ok(config) = serde_json::from_str::<Config>(config) {
                // Whatever it says of it: it says something.
                let _explained = penstock_egress::explain(&config, question);
            }
        }
        None => one_name(text),
    }
}

const ONE_NAME: &str = r#"{"profiles": [{"name": "all", "principals": ["*"], "rules": [
    {"name": "only", "action": "allow", "domains": ["api.example.com"], "ports": [{"first": 443, "last": 443}]}]}]}"#;

/// Whatever the URL is spelled like: only this name at this port is ever allowed.
fn one_name(url: &str) {
    let Ok(config) = serde_json::from_str::<Config>(ONE_NAME) else {
        unreachable!("the configuration is a constant");
    };
    let question = serde_json::json!({"url": url, "addresses": ["192.0.2.1"]}).to_string();
    let Ok(explained) = penstock_egress::explain(&config, &question) else { return };
    if explained.get("verdict").is_some_and(|verdict| verdict == "allow") {
        assert!(explained.get("target").is_some_and(|target| target == "api.example.com:443"));
    }
}
