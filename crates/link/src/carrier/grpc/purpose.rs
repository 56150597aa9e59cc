//! What a call is for: a link, unless its metadata say that it is a probe.

use tonic::metadata::{AsciiMetadataValue, MetadataMap};

/// No name has an underscore, which nginx would drop.
const PROBE: &str = "penstock-probe";

const KEEPALIVE: &str = "keepalive";
const SILENT: &str = "silent";

/// What a call is for.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Purpose {
    /// A link.
    #[default]
    Link,
    /// To see what comes through: the accepting side echoes streams and opens none.
    Probe {
        /// Whether the accepting side sends PINGs as on a link, or nothing at all.
        keepalive: bool,
    },
}

impl Purpose {
    pub(super) fn write(self, metadata: &mut MetadataMap) {
        let value = match self {
            Self::Link => return,
            Self::Probe { keepalive: true } => KEEPALIVE,
            Self::Probe { keepalive: false } => SILENT,
        };
        metadata.insert(PROBE, AsciiMetadataValue::from_static(value));
    }

    /// None if it is a purpose that is not known here.
    pub(super) fn read(metadata: &MetadataMap) -> Option<Self> {
        let Some(value) = metadata.get(PROBE) else { return Some(Self::Link) };
        match value.to_str().ok()? {
            KEEPALIVE => Some(Self::Probe { keepalive: true }),
            SILENT => Some(Self::Probe { keepalive: false }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_purpose_survives_the_metadata() {
        for purpose in
            [Purpose::Link, Purpose::Probe { keepalive: true }, Purpose::Probe { keepalive: false }]
        {
            let mut metadata = MetadataMap::new();
            purpose.write(&mut metadata);
            assert_eq!(Purpose::read(&metadata), Some(purpose));
        }
    }

    #[test]
    fn what_is_not_known_is_no_link() {
        let mut metadata = MetadataMap::new();
        metadata.insert(PROBE, AsciiMetadataValue::from_static("dance"));
        assert_eq!(Purpose::read(&metadata), None);
    }
}
