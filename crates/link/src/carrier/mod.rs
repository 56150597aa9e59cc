//! What a link rides on.

pub mod grpc;
pub mod tls;

use penstock_domain::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tonic::transport::Channel;

/// Any byte stream.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// Dials for a side that serves, over either carrier.
#[derive(Clone, Debug)]
pub enum Dialler {
    /// Through anything that speaks gRPC.
    Grpc(grpc::Dialler),
    /// Straight.
    Tls(tls::Dialler),
}

/// The bytes of a dialled link.
pub struct Dialled {
    /// For the serving role.
    pub bytes: Box<dyn Duplex>,
    /// The outer connection, which lives as long as this.
    pub outer: Option<Channel>,
}

impl Dialler {
    /// Dials.
    ///
    /// # Errors
    /// What kept the gateway from being reached, or its refusal.
    pub async fn dial(&self) -> Result<Dialled, Error> {
        match self {
            Self::Grpc(dialler) => {
                let grpc::Dialled { bytes, channel } = dialler.dial().await?;
                Ok(Dialled { bytes: Box::new(bytes), outer: Some(channel) })
            }
            Self::Tls(dialler) => Ok(Dialled { bytes: dialler.dial().await?, outer: None }),
        }
    }
}
