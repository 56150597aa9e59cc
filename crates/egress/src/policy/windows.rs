//! Spans of the day on days of the week.

use penstock_domain::Error;

use crate::config::{Day, Window, malformed};

const DAY: i64 = 24 * 60;

/// Refuses what is no span of a day.
pub(super) fn check(window: &Window, rule: &str) -> Result<(), Error> {
    let minutes = window.from_minute < 1440 && (1..=1440).contains(&window.to_minute);
    if minutes && window.utc_offset_minutes.abs() <= 14 * 60 {
        return Ok(());
    }
    Err(malformed(format!("a time window of rule {rule} is no span of a day"))
        .hint("from_minute is 0 to 1439, to_minute 1 to 1440, utc_offset_minutes -840 to 840"))
}

/// Whether a window is open at a time, in seconds since the epoch.
pub(super) fn is_open(window: &Window, now: u64) -> bool {
    let local = i64::try_from(now / 60).unwrap_or(i64::MAX / 2) + i64::from(window.utc_offset_minutes);
    let (day, minute) = (local.div_euclid(DAY), local.rem_euclid(DAY));
    let (from, to) = (i64::from(window.from_minute), i64::from(window.to_minute));
    if from < to {
        return begins(window, day) && (from..to).contains(&minute);
    }
    (begins(window, day) && minute >= from) || (begins(window, day - 1) && minute < to)
}

fn begins(window: &Window, day: i64) -> bool {
    window.days.is_empty() || window.days.contains(&weekday(day))
}

/// The first of January 1970 was a Thursday.
const fn weekday(day: i64) -> Day {
    match day.rem_euclid(7) {
        0 => Day::Thu,
        1 => Day::Fri,
        2 => Day::Sat,
        3 => Day::Sun,
        4 => Day::Mon,
        5 => Day::Tue,
        _ => Day::Wed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Monday 2026-01-05 00:00 UTC.
    const MONDAY: u64 = 1_767_571_200;

    fn window(days: &[Day], from_minute: u16, to_minute: u16, utc_offset_minutes: i16) -> Window {
        Window { days: days.to_vec(), from_minute, to_minute, utc_offset_minutes }
    }

    fn at(day: u64, hour: u64, minute: u64) -> u64 {
        MONDAY + day * 86_400 + hour * 3_600 + minute * 60
    }

    #[test]
    fn office_hours() {
        let office = window(&[Day::Mon, Day::Fri], 9 * 60, 17 * 60, 0);
        assert!(is_open(&office, at(0, 9, 0)) && is_open(&office, at(4, 16, 59)));
        assert!(!is_open(&office, at(0, 8, 59)) && !is_open(&office, at(0, 17, 0)));
        assert!(!is_open(&office, at(1, 12, 0)));
    }

    #[test]
    fn a_night_belongs_to_the_day_on_which_it_begins() {
        let night = window(&[Day::Sun], 22 * 60, 6 * 60, 0);
        assert!(
            is_open(&night, at(6, 23, 0)) && is_open(&night, at(7, 5, 59)) && is_open(&night, at(0, 5, 0))
        );
        assert!(!is_open(&night, at(6, 5, 0)) && !is_open(&night, at(0, 22, 0)));
    }

    #[test]
    fn the_local_clock_counts() {
        let morning = window(&[Day::Tue], 0, 60, 120);
        assert!(is_open(&morning, at(0, 22, 30)));
        assert!(!is_open(&morning, at(1, 0, 30)));
        let whole = window(&[], 0, 1440, -300);
        assert!(is_open(&whole, 0) && is_open(&whole, MONDAY));
    }

    #[test]
    fn what_is_no_span_is_refused() {
        assert!(check(&window(&[], 0, 1440, 0), "r").is_ok());
        for bad in
            [window(&[], 1440, 10, 0), window(&[], 0, 0, 0), window(&[], 0, 1441, 0), window(&[], 0, 1, 900)]
        {
            assert!(check(&bad, "r").is_err());
        }
    }
}
