//! What one object counted over the last hour, as far as there is room for it.

use parking_lot::Mutex;

use crate::model::Millis;

use super::series::{Point, Series};

/// Every sample is kept for so long; RabbitMQ's retention of "basic".
const FINE_MS: Millis = 605_000;
/// One a minute is kept for so long.
const COARSE_MS: Millis = 3_660_000;
/// Milliseconds between samples that are kept for long.
const COARSE_STEP_MS: Millis = 60_000;

/// Samples of `N` values of one object: every one for ten minutes, one a minute for an hour.
///
/// An object that never had anything else than zeros takes a pointer, one in which nothing has changed for an hour a
/// little more.
#[derive(Debug)]
pub struct History<const N: usize>(Mutex<Option<Box<Rings<N>>>>);

impl<const N: usize> Default for History<N> {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

#[derive(Debug)]
enum Rings<const N: usize> {
    /// The same values from that point to this moment.
    Flat(Point<N>, Millis),
    /// Every sample, and one a minute.
    Moving(Box<(Series<N>, Series<N>)>),
}

impl<const N: usize> Rings<N> {
    /// Something that was not there in the round before counted from 0; what the first round finds may be old.
    fn begin(point: Point<N>, before: Option<Millis>) -> Self {
        let Some(before) = before else {
            return Self::Flat(point, point.at);
        };
        let zeros = Point {
            at: before,
            values: [0; N],
        };
        Self::moving(zeros, before, point)
    }

    fn moving(from: Point<N>, until: Millis, point: Point<N>) -> Self {
        let mut series = Series::new(from);
        series.push(Point {
            at: until,
            values: from.values,
        });
        series.push(point);
        Self::Moving(Box::new((series.clone(), series)))
    }

    fn push(&mut self, point: Point<N>) {
        match self {
            Self::Flat(from, until) if from.values == point.values => *until = point.at,
            Self::Flat(from, until) => *self = Self::moving(*from, *until, point),
            Self::Moving(series) => {
                let (fine, coarse) = &mut **series;
                fine.push(point);
                fine.forget_before(point.at.saturating_sub(FINE_MS));
                if point.at >= coarse.last().at + COARSE_STEP_MS {
                    coarse.push(point);
                }
                coarse.forget_before(point.at.saturating_sub(COARSE_MS));
                if fine.is_flat() && coarse.is_flat() {
                    let from = coarse.first();
                    *self = Self::Flat(from, point.at);
                }
            }
        }
    }

    fn forget_all(&mut self) {
        if let Self::Moving(series) = self {
            series.0.forget_all();
            series.1.forget_all();
        }
    }

    fn bytes(&self) -> usize {
        let inner = match self {
            Self::Flat(..) => 0,
            Self::Moving(series) => size_of::<(Series<N>, Series<N>)>() + series.0.heap_bytes() + series.1.heap_bytes(),
        };
        size_of::<Self>() + inner
    }
}

/// The moments that are asked for: `last`, and every `step_ms` before it down to `first`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SampleRange {
    /// The oldest, in milliseconds since the Unix epoch.
    pub first: Millis,
    /// The newest.
    pub last: Millis,
    /// Milliseconds from one to the next; more than 0.
    pub step_ms: Millis,
}

impl SampleRange {
    /// The moments, the oldest first.
    pub fn moments(&self) -> impl Iterator<Item = Millis> + use<> {
        (self.first..=self.last).step_by(usize::try_from(self.step_ms.max(1)).unwrap_or(usize::MAX))
    }
}

/// One round, in which everything is sampled.
#[derive(Debug)]
pub struct Round {
    /// When it is.
    at: Millis,
    /// When the round before it was; `None` in the first.
    before: Option<Millis>,
    /// Bytes that histories may still take.
    room: usize,
}

impl Round {
    /// A round at `at` after one at `before`, in which all histories together may take `room` bytes.
    #[must_use]
    pub fn new(at: Millis, before: Option<Millis>, room: usize) -> Self {
        Self { at, before, room }
    }
}

impl<const N: usize> History<N> {
    /// Adds a sample. Where the round has no room left, all is forgotten but what a rate is made of.
    pub fn sample(&self, round: &mut Round, values: [u64; N]) {
        let point = Point { at: round.at, values };
        let mut guard = self.0.lock();
        let Some(rings) = guard.as_deref_mut() else {
            if values != [0; N] {
                *guard = Some(Box::new(Rings::begin(point, round.before)));
            }
            return;
        };
        rings.push(point);
        let bytes = rings.bytes();
        match round.room.checked_sub(bytes) {
            Some(left) => round.room = left,
            None => rings.forget_all(),
        }
    }

    /// Changes a second between the last two samples.
    #[must_use]
    pub fn rates(&self) -> [f64; N] {
        match self.0.lock().as_deref() {
            Some(Rings::Moving(series)) => series.0.rates(),
            _ => [0.0; N],
        }
    }

    /// The values at each moment, the oldest first; zeros where nothing is known.
    #[must_use]
    pub fn samples(&self, range: &SampleRange) -> Vec<[u64; N]> {
        match self.0.lock().as_deref() {
            None => range.moments().map(|_| [0; N]).collect(),
            Some(Rings::Flat(point, _)) => {
                let value = |moment| if point.at <= moment { point.values } else { [0; N] };
                range.moments().map(value).collect()
            }
            Some(Rings::Moving(series)) => {
                let (fine, coarse) = &**series;
                let exact = fine.last().at.saturating_sub(FINE_MS);
                let mut samples = coarse.at(range.moments().take_while(|moment| *moment < exact));
                samples.extend(fine.at(range.moments().skip(samples.len())));
                samples
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP: Millis = 5_000;

    fn sampled(history: &History<2>, rounds: std::ops::Range<u64>, values: impl Fn(u64) -> [u64; 2]) {
        for round in rounds {
            let at = round * STEP;
            let before = round.checked_sub(1).map(|before| before * STEP);
            history.sample(&mut Round::new(at, before, 1 << 20), values(round));
        }
    }

    fn range(first: Millis, last: Millis, step_ms: Millis) -> SampleRange {
        SampleRange { first, last, step_ms }
    }

    #[test]
    fn an_hour_is_kept_the_last_ten_minutes_of_it_exactly() {
        let history = History::default();
        sampled(&history, 0..1_000, |round| [round * 10, 3]);
        let last = 999 * STEP;
        assert_eq!(history.rates(), [2.0, 0.0]);
        let fine = history.samples(&range(last - 600_000, last, STEP));
        assert_eq!(fine.len(), 121);
        assert!(fine.iter().zip(879..).all(|(sample, round)| *sample == [round * 10, 3]));
        let hour = history.samples(&range(last - 3_600_000, last, 60_000));
        assert_eq!(hour.len(), 61);
        for (sample, moment) in hour.iter().zip((last - 3_600_000..).step_by(60_000)) {
            let exact = moment / STEP * 10;
            assert!(
                (exact - 120..=exact).contains(&sample[0]),
                "{sample:?} at {moment}, exactly {exact}"
            );
        }
        assert_eq!(
            history.samples(&range(0, 60_000, 60_000)),
            [[0; 2]; 2],
            "older than an hour"
        );
    }

    #[test]
    fn something_new_counts_from_zero_and_something_old_does_not() {
        let new = History::default();
        sampled(&new, 0..3, |round| [if round == 2 { 30 } else { 0 }, 0]);
        assert_eq!(new.rates(), [6.0, 0.0]);
        let old = History::default();
        sampled(&old, 0..1, |_| [30, 0]);
        assert_eq!(old.rates(), [0.0; 2], "restored, perhaps");
        assert_eq!(old.samples(&range(0, 0, STEP)), [[30, 0]]);
    }

    #[test]
    fn an_idle_object_takes_little_again_and_wakes_up() {
        let history = History::default();
        sampled(&history, 0..1, |_| [0, 0]);
        assert!(history.0.lock().is_none(), "nothing for zeros");
        sampled(&history, 1..1_000, |round| [round.min(9), 0]);
        let is_flat = || matches!(history.0.lock().as_deref(), Some(Rings::Flat(..)));
        assert!(is_flat());
        assert_eq!(
            history.samples(&range(999 * STEP - 3_600_000, 999 * STEP, 3_600_000)),
            [[9, 0]; 2]
        );
        sampled(&history, 1_000..1_001, |_| [19, 0]);
        assert!(!is_flat());
        assert_eq!(history.rates(), [2.0, 0.0]);
        assert_eq!(
            history.samples(&range(900 * STEP, 1_000 * STEP, 100 * STEP)),
            [[9, 0], [19, 0]]
        );
    }

    #[test]
    fn without_room_the_rate_stays() {
        let history = History::default();
        for round in 1..100 {
            history.sample(
                &mut Round::new(round * STEP, Some((round - 1) * STEP), 0),
                [round * 5, 0],
            );
        }
        assert_eq!(history.rates(), [1.0, 0.0]);
        let samples = history.samples(&range(0, 99 * STEP, 99 * STEP));
        assert_eq!(samples, [[0, 0], [495, 0]]);
        assert!(history.0.lock().as_deref().is_some_and(|rings| rings.bytes() < 1_000));
    }
}
