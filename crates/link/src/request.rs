//! What opens on a link, and how it is written as an HTTP request (design §4).

use h2::ext::Protocol;
use http::{Method, Request};
use penstock_domain::{Code, Error, Side, Target};

/// `:protocol` of a client's session on a connection.
const SESSION: &str = "session";

/// `:protocol` of a stream that comes back as it went.
const ECHO: &str = "echo";

/// `:protocol` of a unix socket at an agent; `:path` is the socket's.
const UNIX: &str = "unix";

/// What one side asks of the other.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Open {
    /// A session on the named connection.
    Session(String),
    /// A byte stream to a target.
    Target(Target),
    /// A byte stream to nowhere, for a probe: what goes comes back.
    Echo,
}

impl Open {
    /// The request: plain CONNECT for TCP, extended CONNECT (RFC 8441) for all else.
    ///
    /// # Errors
    /// [`Code::Malformed`] if the name or the address cannot be written as a URI.
    pub fn into_request(self) -> Result<Request<()>, Error> {
        let builder = Request::builder().method(Method::CONNECT);
        let request = match &self {
            Self::Target(Target::Tcp(address)) => builder.uri(address.as_str()).body(()),
            Self::Target(Target::Unix(path)) => extended(builder, UNIX, path),
            Self::Echo => extended(builder, ECHO, "/"),
            Self::Session(name) => extended(builder, SESSION, &format!("/{name}")),
        };
        request.map_err(|error| {
            Error::new(Code::Malformed, Side::Client, format!("cannot ask for {self:?}: {error}"))
        })
    }

    /// Reads a request; none if it asks for something else.
    #[must_use]
    pub fn from_request<B>(request: &Request<B>) -> Option<Self> {
        if request.method() != Method::CONNECT {
            return None;
        }
        let Some(protocol) = request.extensions().get::<Protocol>() else {
            return Some(Self::Target(Target::Tcp(request.uri().authority()?.as_str().to_owned())));
        };
        let path = request.uri().path();
        match protocol.as_str() {
            SESSION => Some(Self::Session(path.strip_prefix('/')?.to_owned())),
            ECHO => Some(Self::Echo),
            UNIX => Some(Self::Target(Target::Unix(path.to_owned()))),
            _ => None,
        }
    }
}

fn extended(
    builder: http::request::Builder,
    protocol: &'static str,
    path: &str,
) -> http::Result<Request<()>> {
    let uri = http::Uri::builder().scheme("https").authority("penstock").path_and_query(path).build()?;
    builder.uri(uri).extension(Protocol::from_static(protocol)).body(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_survives_the_wire_form() {
        for open in [
            Open::Session("demo-pg".into()),
            Open::Target(Target::Tcp("db.internal:5432".into())),
            Open::Target(Target::Tcp("[::1]:5432".into())),
            Open::Target(Target::Unix("/run/pg/.s.PGSQL.5432".into())),
            Open::Echo,
        ] {
            let request = open.clone().into_request().unwrap();
            assert_eq!(Open::from_request(&request), Some(open));
        }
    }

    #[test]
    fn what_cannot_be_written_is_an_error() {
        assert!(Open::Session("two words".into()).into_request().is_err());
        assert!(Open::Target(Target::Tcp("no spaces here".into())).into_request().is_err());
    }

    #[test]
    fn other_requests_are_nothing_of_ours() {
        assert_eq!(Open::from_request(&Request::get("/").body(()).unwrap()), None);
    }
}
