//! What is to be done.

use serde::Deserialize;

use crate::hold::Hold;
use crate::rate::Rate;
use crate::setup::Setup;

/// One job: `{"rate": {...}}` or `{"hold": {...}}`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Job {
    /// Tunnels one after another from each client, closed once they stand.
    Rate(Rate),
    /// Tunnels that stay open and idle.
    Hold(Hold),
}

/// Where a tunnel leads, and as whom.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tunnel {
    /// The proxy: `ADDRESS:PORT`.
    pub proxy: std::net::SocketAddr,
    /// The target: `HOST:PORT`.
    pub target: String,
    /// The value of `Proxy-Authorization`.
    #[serde(default)]
    pub authorization: Option<String>,
    /// What is sent through the tunnel, in hexadecimal, such as a ClientHello; it stands once the target has answered
    /// this. Without it a tunnel stands with the proxy's 200.
    #[serde(default)]
    pub first: String,
}

impl Tunnel {
    /// What each set-up sends.
    pub fn setup(&self) -> Result<Setup, String> {
        Ok(Setup::new(self.proxy, &self.target, self.authorization.as_deref(), bytes(&self.first)?))
    }
}

fn bytes(hex: &str) -> Result<Vec<u8>, String> {
    if !hex.is_ascii() || !hex.len().is_multiple_of(2) {
        return Err("`first` is no hexadecimal".into());
    }
    (0..hex.len())
        .step_by(2)
        .map(|at| {
            let pair = hex.get(at..at + 2).unwrap_or_default();
            u8::from_str_radix(pair, 16).map_err(|_| format!("`first` is no hexadecimal: {pair:?}"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_is_read_and_anything_else_is_refused() {
        assert_eq!(bytes("16030a").unwrap(), [0x16, 3, 10]);
        assert!(bytes("").unwrap().is_empty());
        for wrong in ["1", "zz", "é1"] {
            assert!(bytes(wrong).unwrap_err().contains("hexadecimal"), "{wrong}");
        }
    }

    #[test]
    fn a_job_with_an_unknown_field_is_refused() {
        let text = r#"{"rate": {"tunnel": {"proxy": "127.0.0.1:1", "target": "h:1"}, "clients": 1, "seconds": 1, "x": 1}}"#;
        assert!(serde_json::from_str::<Job>(text).unwrap_err().to_string().contains("unknown field `x`"));
    }
}
