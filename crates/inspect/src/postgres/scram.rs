//! SASL with SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802, RFC 7677; protocol, "SASL Authentication").

use bytes::BytesMut;
use penstock_domain::Error;
use postgres_protocol::{
    authentication::sasl::{ChannelBinding, SCRAM_SHA_256, SCRAM_SHA_256_PLUS, ScramSha256},
    message::frontend,
};

use super::login::refused;

/// The longest server message that is looked at; real ones hold a nonce and a salt of some dozen bytes each
/// (compare PgBouncer CVE-2026-6665).
const MESSAGE_BYTES: usize = 4 * 1024;

/// One exchange, from the server's list of mechanisms to the proof that the server knows the password too.
pub(super) struct Scram(ScramSha256);

impl Scram {
    /// Chooses a mechanism and writes the first message.
    ///
    /// # Errors
    /// `UpstreamLogin` if the server offers no mechanism that is spoken here.
    pub(super) fn begin(
        mechanisms: &[u8],
        password: &str,
        end_point: Option<Vec<u8>>,
        out: &mut BytesMut,
    ) -> Result<Self, Error> {
        let offered: Vec<_> =
            mechanisms.split(|&byte| byte == 0).filter(|name| !name.is_empty()).take(16).collect();
        let offers = |name: &str| offered.contains(&name.as_bytes());
        let (name, binding) = match end_point {
            Some(hash) if offers(SCRAM_SHA_256_PLUS) => {
                (SCRAM_SHA_256_PLUS, ChannelBinding::tls_server_end_point(hash))
            }
            // "I could have bound": a server that did offer PLUS then knows that someone removed the offer.
            Some(_) if offers(SCRAM_SHA_256) => (SCRAM_SHA_256, ChannelBinding::unrequested()),
            None if offers(SCRAM_SHA_256) => (SCRAM_SHA_256, ChannelBinding::unsupported()),
            _ => return Err(unknown_mechanisms(&offered)),
        };
        let exchange = ScramSha256::new(password.as_bytes(), binding);
        frontend::sasl_initial_response(name, exchange.message(), out).map_err(broken)?;
        Ok(Self(exchange))
    }

    /// Answers the server's challenge.
    ///
    /// # Errors
    /// `UpstreamLogin` if the challenge is out of bounds, out of order or wrong.
    pub(super) fn challenge(&mut self, message: &[u8], out: &mut BytesMut) -> Result<(), Error> {
        if message.len() > MESSAGE_BYTES {
            return Err(broken("its challenge is too long"));
        }
        self.0.update(message).map_err(broken)?;
        frontend::sasl_response(self.0.message(), out).map_err(broken)
    }

    /// Checks the server's own proof.
    ///
    /// # Errors
    /// `UpstreamLogin` if the server does not know the password.
    pub(super) fn finish(mut self, message: &[u8]) -> Result<(), Error> {
        if message.len() > MESSAGE_BYTES {
            return Err(broken("its proof is too long"));
        }
        self.0.finish(message).map_err(broken)
    }
}

fn unknown_mechanisms(offered: &[&[u8]]) -> Error {
    let names: Vec<_> =
        offered.iter().map(|name| name.escape_ascii().take(40).map(char::from).collect::<String>()).collect();
    refused(format!("the upstream offers only the SASL mechanisms {}", names.join(", ")))
        .hint("let the connection's user log in with SCRAM-SHA-256 in the upstream's pg_hba.conf")
}

fn broken(fault: impl std::fmt::Display) -> Error {
    refused(format!("the upstream's SCRAM exchange is not valid: {fault}")).hint(
        "check that HOST and PORT lead to the PostgreSQL server that you mean, and that PASS is its password",
    )
}
