//! Counts over time, in buckets that become wider with the time they span.

use std::collections::BTreeMap;

use rex_core::Timestamp;

/// Maximum number of buckets.
pub const BUCKETS: i64 = 60;

/// The widths of buckets, in seconds; each is a multiple of those before. Beyond a week, the width doubles as often as needed.
const WIDTHS: [i64; 12] = [1, 5, 10, 30, 60, 300, 900, 3_600, 10_800, 21_600, 86_400, 604_800];

/// A map from points in time to buckets. Related series share one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeScale {
    width: i64,
    /// The first and the last bucket with a count.
    used: Option<(i64, i64)>,
}

impl Default for TimeScale {
    fn default() -> Self {
        let [width, ..] = WIDTHS;
        Self { width, used: None }
    }
}

impl TimeScale {
    /// Returns the width of a bucket, in seconds.
    #[must_use]
    pub fn seconds(&self) -> i64 {
        self.width
    }

    /// Returns the bucket of a point in time, and, if buckets became wider for it, the factor by which to [widen](TimeSeries::widen) series.
    pub fn bucket(&mut self, time: Timestamp) -> (i64, Option<i64>) {
        let before = self.width;
        loop {
            let bucket = time.as_secs().div_euclid(self.width);
            let (first, last) = self.used.map_or((bucket, bucket), |(a, b)| (a.min(bucket), b.max(bucket)));
            if last - first < BUCKETS {
                self.used = Some((first, last));
                return (bucket, (self.width != before).then_some(self.width / before));
            }
            let wider =
                WIDTHS.iter().copied().find(|width| *width > self.width).unwrap_or(self.width.saturating_mul(2));
            let by = wider / self.width;
            self.used = self.used.map(|(first, last)| (first.div_euclid(by), last.div_euclid(by)));
            self.width = wider;
        }
    }

    /// Returns the start of each bucket, from the first with a count to the last.
    pub fn starts(&self) -> impl Iterator<Item = Timestamp> + use<> {
        let width = self.width;
        self.buckets().map(move |bucket| Timestamp::from_micros(bucket.saturating_mul(width).saturating_mul(1_000_000)))
    }

    fn buckets(&self) -> impl Iterator<Item = i64> + use<> {
        self.used.into_iter().flat_map(|(first, last)| first..=last)
    }
}

/// Counts in the buckets of a [`TimeScale`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TimeSeries(BTreeMap<i64, u64>);

impl TimeSeries {
    /// Adds one to a bucket.
    pub fn count(&mut self, bucket: i64) {
        *self.0.entry(bucket).or_default() += 1;
    }

    /// Makes buckets wider by a factor.
    pub fn widen(&mut self, by: i64) {
        for (bucket, count) in std::mem::take(&mut self.0) {
            *self.0.entry(bucket.div_euclid(by.max(1))).or_default() += count;
        }
    }

    /// Returns the count in each bucket of the scale.
    #[must_use]
    pub fn counts(&self, scale: &TimeScale) -> Vec<u64> {
        scale.buckets().map(|bucket| self.0.get(&bucket).copied().unwrap_or(0)).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn counted(seconds: &[i64]) -> (TimeScale, TimeSeries) {
        let (mut scale, mut series) = (TimeScale::default(), TimeSeries::default());
        for second in seconds {
            let (bucket, wider) = scale.bucket(Timestamp::from_micros(second * 1_000_000));
            wider.into_iter().for_each(|by| series.widen(by));
            series.count(bucket);
        }
        (scale, series)
    }

    #[test]
    fn buckets_are_as_narrow_as_they_can_be() {
        for (seconds, width, buckets) in
            [(&[0][..], 1, 1), (&[0, 59], 1, 60), (&[0, 60], 5, 13), (&[60, 0, -1], 5, 14), (&[0, 86_400], 3_600, 25)]
        {
            let (scale, series) = counted(seconds);
            assert_eq!((scale.seconds(), series.counts(&scale).len()), (width, buckets), "{seconds:?}");
        }
    }

    proptest! {
        #[test]
        fn nothing_is_lost(seconds in proptest::collection::vec(-377_705_116_800_i64..253_402_300_800, 1..50), scatter in 0_u32..40) {
            let near: Vec<i64> = seconds.iter().map(|second| second >> scatter).collect();
            let (scale, series) = counted(&near);
            let counts = series.counts(&scale);
            prop_assert!(counts.len() <= BUCKETS as usize && counts.len() == scale.starts().count());
            prop_assert_eq!(counts.iter().sum::<u64>(), near.len() as u64);
            let starts: Vec<i64> = scale.starts().map(Timestamp::as_secs).collect();
            for second in near {
                let bucket = starts.iter().rposition(|start| *start <= second).unwrap();
                prop_assert!(counts[bucket] > 0 && second < starts[bucket] + scale.seconds());
            }
        }
    }
}
