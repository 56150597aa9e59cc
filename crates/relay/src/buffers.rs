//! Buffers that relays borrow while bytes move: an idle one holds none.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

/// What a tunnel reads at once, in bytes.
const SMALL: usize = 16 * 1024;

/// What a busy one reads at once, in bytes.
const LARGE: usize = 256 * 1024;

/// Large ones in use at once: tunnels whose readers are slow keep theirs, and memory must stay bounded.
const MOST_LARGE: usize = 64;

/// Small ones kept for the next tunnel.
const KEPT_SMALL: usize = 64;

/// Large ones kept for the next tunnel.
const KEPT_LARGE: usize = 8;

/// A stock of buffers.
#[derive(Debug, Default)]
pub struct Buffers {
    small: Mutex<Vec<Box<[u8]>>>,
    large: Mutex<Vec<Box<[u8]>>>,
    large_in_use: AtomicUsize,
}

impl Buffers {
    /// A buffer; a large one only while there are few.
    pub(crate) fn take(&self, large: bool) -> Box<[u8]> {
        if large && self.large_in_use.fetch_add(1, Ordering::AcqRel) < MOST_LARGE {
            let kept = self.large.lock().unwrap_or_else(PoisonError::into_inner).pop();
            return kept.unwrap_or_else(|| vec![0; LARGE].into());
        }
        if large {
            self.large_in_use.fetch_sub(1, Ordering::AcqRel);
        }
        let kept = self.small.lock().unwrap_or_else(PoisonError::into_inner).pop();
        kept.unwrap_or_else(|| vec![0; SMALL].into())
    }

    /// Gives one back.
    pub(crate) fn give(&self, buffer: Box<[u8]>) {
        let (stock, most) = if buffer.len() == LARGE {
            self.large_in_use.fetch_sub(1, Ordering::AcqRel);
            (&self.large, KEPT_LARGE)
        } else {
            (&self.small, KEPT_SMALL)
        };
        let mut stock = stock.lock().unwrap_or_else(PoisonError::into_inner);
        if stock.len() < most {
            stock.push(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_ones_are_few_and_come_back() {
        let buffers = Buffers::default();
        let taken: Vec<_> = (0..MOST_LARGE + 2).map(|_| buffers.take(true)).collect();
        assert_eq!(taken.iter().filter(|buffer| buffer.len() == LARGE).count(), MOST_LARGE);
        for buffer in taken {
            buffers.give(buffer);
        }
        assert_eq!(buffers.take(true).len(), LARGE);
        assert_eq!(buffers.take(false).len(), SMALL);
    }
}
