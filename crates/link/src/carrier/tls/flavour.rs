//! Who sends the HTTP/2 preface.

/// How the roles are reversed, told by ALPN.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Flavour {
    /// HAProxy's `rhttp@`: the dialler sends the preface, then the roles swap. ALPN `h2`.
    #[default]
    Swap,
    /// The IETF draft's (draft-thomson-ptth-potato): the acceptor sends the preface. ALPN `rh2`. Experimental: the
    /// identifier is not registered.
    Rh2,
}

impl Flavour {
    /// The protocol's name in ALPN.
    #[must_use]
    pub const fn alpn(self) -> &'static [u8] {
        match self {
            Self::Swap => b"h2",
            Self::Rh2 => b"rh2",
        }
    }

    /// The flavour of a negotiated protocol; HAProxy's if there was none.
    pub(super) fn negotiated(alpn: Option<&[u8]>) -> Self {
        if alpn == Some(Self::Rh2.alpn()) { Self::Rh2 } else { Self::Swap }
    }
}
