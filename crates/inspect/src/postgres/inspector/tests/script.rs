//! Conversations as tests write them, and shorthand for events.

use bytes::BytesMut;
use penstock_domain::Event;
use postgres_protocol::{IsNull, message::frontend};

use crate::postgres::{Inspector, Malformed};

/// One side's turn.
#[derive(Clone, Debug)]
pub enum Turn {
    Client(Vec<u8>),
    Server(Vec<u8>),
}

impl Turn {
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Client(bytes) | Self::Server(bytes) => bytes,
        }
    }
}

/// What the client writes.
#[derive(Default)]
pub struct Client(BytesMut);

pub fn client() -> Client {
    Client::default()
}

impl Client {
    pub fn query(mut self, text: &str) -> Self {
        frontend::query(text, &mut self.0).unwrap();
        self
    }

    pub fn parse(mut self, name: &str, text: &str) -> Self {
        frontend::parse(name, text, [], &mut self.0).unwrap();
        self
    }

    pub fn bind(mut self, portal: &str, statement: &str) -> Self {
        let null = |(), _: &mut BytesMut| Ok(IsNull::Yes);
        assert!(frontend::bind(portal, statement, [], [()], null, [], &mut self.0).is_ok());
        self
    }

    pub fn describe(mut self, kind: u8, name: &str) -> Self {
        frontend::describe(kind, name, &mut self.0).unwrap();
        self
    }

    pub fn execute(mut self, portal: &str, max_rows: i32) -> Self {
        frontend::execute(portal, max_rows, &mut self.0).unwrap();
        self
    }

    pub fn close(mut self, kind: u8, name: &str) -> Self {
        frontend::close(kind, name, &mut self.0).unwrap();
        self
    }

    /// Parse, Bind, Describe and Execute, all unnamed.
    pub fn run(self, text: &str) -> Self {
        self.parse("", text).bind("", "").describe(b'P', "").execute("", 0)
    }

    pub fn sync(mut self) -> Self {
        frontend::sync(&mut self.0);
        self
    }

    pub fn flush(mut self) -> Self {
        frontend::flush(&mut self.0);
        self
    }

    pub fn data(mut self, bytes: &[u8]) -> Self {
        frontend::CopyData::new(bytes).unwrap().write(&mut self.0);
        self
    }

    pub fn copy_done(mut self) -> Self {
        frontend::copy_done(&mut self.0);
        self
    }

    pub fn copy_fail(mut self) -> Self {
        frontend::copy_fail("changed my mind", &mut self.0).unwrap();
        self
    }

    pub fn terminate(mut self) -> Self {
        frontend::terminate(&mut self.0);
        self
    }

    pub fn raw(mut self, tag: u8, body: &[u8]) -> Self {
        self.0.extend_from_slice(&wire(tag, body));
        self
    }

    pub fn turn(self) -> Turn {
        Turn::Client(self.0.to_vec())
    }
}

/// What the server writes, by the letters of the protocol: `server("1 2 T D C:SELECT 1 Z")`, with `E:` an error's
/// SQLSTATE, `Z:T` a transaction's status, and `,` for a space within a tag.
pub fn server(messages: &str) -> Turn {
    Turn::Server(messages.split_whitespace().flat_map(message).collect())
}

fn message(message: &str) -> Vec<u8> {
    let (tag, value) = message.split_once(':').unwrap_or((message, ""));
    let value = value.replace(',', " ");
    let body = match tag {
        "C" => format!("{value}\0").into_bytes(),
        "E" | "N" => format!("SERROR\0VERROR\0C{value}\0Mno\0\0").into_bytes(),
        "Z" if value.is_empty() => b"I".to_vec(),
        "Z" => value.into_bytes(),
        "D" => b"\0\x01\0\0\0\x011".to_vec(),
        "T" => b"\0\x01n\0\0\0\0\0\0\0\0\0\0\x17\0\x04\xff\xff\xff\xff\0\0".to_vec(),
        "t" | "V" => b"\0\0\0\0".to_vec(),
        "G" | "H" => b"\0\0\0".to_vec(),
        "d" => b"1\n".to_vec(),
        "S" => b"TimeZone\0UTC\0".to_vec(),
        "A" => b"\0\0\0\x07channel\0payload\0".to_vec(),
        "1" | "2" | "3" | "n" | "I" | "s" | "c" => Vec::new(),
        _ => panic!("{tag}"),
    };
    wire(tag.as_bytes()[0], &body)
}

pub fn wire(tag: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
    [&[tag], length.as_slice(), body].concat()
}

/// Feeds one turn.
pub fn feed(inspector: &mut Inspector, turn: &Turn) -> Result<Vec<Event>, Malformed> {
    let mut events = Vec::new();
    match turn {
        Turn::Client(bytes) => inspector.client(bytes, &mut events),
        Turn::Server(bytes) => inspector.upstream(bytes, &mut events),
    }?;
    Ok(events)
}

/// The events of a whole conversation, each in short: `1 text`, `1 = rows`, `1 ! error`, `! notice`.
pub fn play(inspector: &mut Inspector, turns: &[Turn]) -> Vec<String> {
    turns.iter().flat_map(|turn| feed(inspector, turn).unwrap()).map(|event| short(&event)).collect()
}

/// The events of a whole conversation of its own.
pub fn events(turns: &[Turn]) -> Vec<String> {
    play(&mut Inspector::new(1 << 20), turns)
}

fn short(event: &Event) -> String {
    match event {
        Event::Statement { id, text, .. } => format!("{id} {text}"),
        Event::Completed { id, rows: Some(rows), error: None } => format!("{id} = {rows}"),
        Event::Completed { id, rows: None, error: Some(error) } => format!("{id} ! {error}"),
        Event::Notice { text } => format!("! {text}"),
        other => panic!("{other:?}"),
    }
}

/// The error of what was dropped.
pub fn not_executed(id: u64) -> String {
    format!("{id} ! not executed: an earlier message of the pipeline failed")
}
