//! A bounded time series: values at moments, kept as differences.
//!
//! Most of what is sampled does not change, and what changes does so in a few of its values: a busy queue costs about
//! 15 bytes a sample, an idle one none.

use std::collections::VecDeque;
use std::collections::vec_deque::Iter;

use crate::model::Millis;

/// Values at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point<const N: usize> {
    /// When they were so.
    pub at: Millis,
    /// The values.
    pub values: [u64; N],
}

/// Points in order of time, of which those that are too old are forgotten.
///
/// At most 16 values: one bit each in a step's mask.
#[derive(Clone, Debug)]
pub struct Series<const N: usize> {
    /// The oldest that is kept.
    first: Point<N>,
    /// Where the steps end.
    stored: Point<N>,
    /// The newest sample has the values of `stored`, and this time.
    last_at: Millis,
    /// What was sampled before the newest.
    before: Point<N>,
    /// From `first` to `stored`: milliseconds, a mask of the values that changed, and by how much each.
    steps: VecDeque<u8>,
}

impl<const N: usize> Series<N> {
    /// A series of one point.
    #[must_use]
    pub fn new(point: Point<N>) -> Self {
        const { assert!(N <= 16, "a mask has 16 bits") };
        Self {
            first: point,
            stored: point,
            last_at: point.at,
            before: point,
            steps: VecDeque::new(),
        }
    }

    /// The oldest point that is kept.
    #[must_use]
    pub fn first(&self) -> Point<N> {
        self.first
    }

    /// The newest point.
    #[must_use]
    pub fn last(&self) -> Point<N> {
        Point {
            at: self.last_at,
            values: self.stored.values,
        }
    }

    /// Adds a point; one that is not newer than the last is left out.
    pub fn push(&mut self, point: Point<N>) {
        let last = self.last();
        if point.at <= last.at {
            return;
        }
        self.before = last;
        if point.values != last.values {
            if last.at > self.stored.at {
                // They stood still until then, and did not glide.
                write_step(&mut self.steps, self.stored, last);
            }
            write_step(&mut self.steps, last, point);
            self.stored = point;
        }
        self.last_at = point.at;
    }

    /// Forgets what is older than `horizon`, but for the point that held there.
    pub fn forget_before(&mut self, horizon: Millis) {
        loop {
            let mut rest = Steps::new(self);
            match rest.next() {
                Some(next) if next.at <= horizon => {
                    let used = self.steps.len() - rest.bytes.len();
                    self.steps.drain(..used);
                    self.first = next;
                }
                _ => break,
            }
        }
        if self.steps.is_empty() {
            self.steps = VecDeque::new();
            // Nothing changed since: the same values held all the time.
            self.first.at = self.first.at.max(horizon.min(self.last_at));
            self.stored = self.first;
        }
    }

    /// Forgets all but what a rate is made of.
    pub fn forget_all(&mut self) {
        self.steps = VecDeque::new();
        self.first = self.last();
        self.stored = self.first;
    }

    /// Whether nothing changes in it.
    #[must_use]
    pub fn is_flat(&self) -> bool {
        self.steps.is_empty() && self.before.values == self.stored.values
    }

    /// Changes a second between the last two points; zeros where there is one only.
    #[must_use]
    pub fn rates(&self) -> [f64; N] {
        let elapsed_ms = self.last_at - self.before.at;
        if elapsed_ms == 0 {
            return [0.0; N];
        }
        let change = |at: usize| self.stored.values[at] as f64 - self.before.values[at] as f64;
        std::array::from_fn(|at| change(at) * 1000.0 / elapsed_ms as f64)
    }

    /// What held at each of these moments, which are in order; zeros before the first point.
    #[must_use]
    pub fn at(&self, moments: impl Iterator<Item = Millis>) -> Vec<[u64; N]> {
        let mut steps = Steps::new(self).peekable();
        let mut held = self.first;
        let value = |moment| {
            while let Some(next) = steps.next_if(|next| next.at <= moment) {
                held = next;
            }
            if held.at <= moment { held.values } else { [0; N] }
        };
        moments.map(value).collect()
    }

    /// Bytes that it holds beside itself.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        self.steps.capacity()
    }
}

/// The points after the first.
struct Steps<'a, const N: usize> {
    at: Point<N>,
    bytes: Iter<'a, u8>,
}

impl<'a, const N: usize> Steps<'a, N> {
    fn new(series: &'a Series<N>) -> Self {
        Self {
            at: series.first,
            bytes: series.steps.iter(),
        }
    }
}

impl<const N: usize> Iterator for Steps<'_, N> {
    type Item = Point<N>;

    fn next(&mut self) -> Option<Point<N>> {
        let elapsed = read_number(&mut self.bytes)?;
        let mask = read_number(&mut self.bytes)?;
        self.at.at += elapsed;
        for value in 0..N {
            if mask & (1 << value) != 0 {
                let zigzag = read_number(&mut self.bytes)?;
                let change = (zigzag >> 1) as i64 ^ -((zigzag & 1) as i64);
                self.at.values[value] = self.at.values[value].wrapping_add_signed(change);
            }
        }
        Some(self.at)
    }
}

fn write_step<const N: usize>(out: &mut VecDeque<u8>, from: Point<N>, to: Point<N>) {
    write_number(out, to.at - from.at);
    let changed = |at: &usize| from.values[*at] != to.values[*at];
    let mask = (0..N).filter(changed).fold(0, |mask, at| mask | 1 << at);
    write_number(out, mask);
    for at in (0..N).filter(changed) {
        let change = to.values[at].wrapping_sub(from.values[at]) as i64;
        write_number(out, ((change << 1) ^ (change >> 63)) as u64);
    }
}

/// Seven bits a byte, the lowest first; the highest bit says that more follow.
fn write_number(out: &mut VecDeque<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push_back(number as u8 | 0x80);
        number >>= 7;
    }
    out.push_back(number as u8);
}

fn read_number(bytes: &mut Iter<'_, u8>) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let byte = *bytes.next()?;
        number |= u64::from(byte & 0x7F) << shift;
        if byte & 0x80 == 0 {
            break;
        }
    }
    Some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(points: &[(Millis, [u64; 3])]) -> Series<3> {
        let point = |(at, values): &(Millis, [u64; 3])| Point {
            at: *at,
            values: *values,
        };
        let mut series = Series::new(point(&points[0]));
        for given in &points[1..] {
            series.push(point(given));
        }
        series
    }

    #[test]
    fn what_went_in_comes_out() {
        let points = [
            (1_000, [0, 5, u64::MAX]),
            (6_000, [3, 5, 0]),
            (11_000, [3, 5, 0]),
            (16_000, [3, 5, 0]),
            (21_000, [1 << 40, 0, u64::MAX]),
        ];
        let series = series(&points);
        let all = series.at(points.iter().map(|(at, _)| *at));
        assert_eq!(all, points.map(|(_, values)| values));
        assert_eq!(
            series.at([999, 5_999, 20_999, 90_000].into_iter()),
            [[0; 3], points[0].1, points[1].1, points[4].1],
            "between two points the earlier one holds, and nothing before the first"
        );
    }

    #[test]
    fn rates_come_from_the_last_two_points() {
        assert_eq!(series(&[(0, [9, 9, 9])]).rates(), [0.0; 3]);
        let mut series = series(&[(0, [0; 3]), (5_000, [10, 0, 0]), (10_000, [30, 1, 0])]);
        assert_eq!(series.rates(), [4.0, 0.2, 0.0]);
        series.push(Point {
            at: 10_000,
            values: [99; 3],
        });
        assert_eq!(series.rates(), [4.0, 0.2, 0.0], "no time has passed");
        series.push(Point {
            at: 15_000,
            values: [25, 1, 0],
        });
        assert_eq!(series.rates(), [-1.0, 0.0, 0.0]);
        series.push(Point {
            at: 20_000,
            values: [25, 1, 0],
        });
        assert_eq!(series.rates(), [0.0; 3]);
    }

    #[test]
    fn old_points_are_forgotten_and_what_held_there_is_not() {
        let mut series = series(&[(0, [1, 0, 0])]);
        for at in 1..=1_000_u64 {
            series.push(Point {
                at: at * 5_000,
                values: [at, at / 2, 7],
            });
            series.forget_before((at * 5_000).saturating_sub(600_000));
            assert!(series.heap_bytes() < 2_048, "{} bytes", series.heap_bytes());
        }
        let moments = [4_400_000, 4_402_000, 5_000_000];
        assert_eq!(
            series.at(moments.into_iter()),
            [[880, 440, 7], [880, 440, 7], [1_000, 500, 7]]
        );
        assert_eq!(series.at([4_300_000].into_iter()), [[0; 3]], "forgotten");
    }

    #[test]
    fn what_stands_still_costs_nothing() {
        let mut series = series(&[(0, [1, 2, 3])]);
        for at in 1..=10_000 {
            series.push(Point {
                at: at * 5_000,
                values: [1, 2, 3],
            });
            series.forget_before((at * 5_000).saturating_sub(600_000));
        }
        assert!(series.is_flat());
        assert_eq!(series.heap_bytes(), 0);
        assert_eq!(series.at([49_999_000].into_iter()), [[1, 2, 3]]);
        series.push(Point {
            at: 50_005_000,
            values: [2, 2, 3],
        });
        assert!(!series.is_flat());
        assert_eq!(
            series.at([50_004_999, 50_005_000].into_iter()),
            [[1, 2, 3], [2, 2, 3]],
            "it stood still until the last sample before"
        );
        series.forget_all();
        assert_eq!(series.heap_bytes(), 0);
        assert_eq!(series.last().values, [2, 2, 3]);
        assert!(series.rates()[0] > 0.0, "a rate is still known");
    }
}
