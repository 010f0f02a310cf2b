//! Where a stream's packets belong in a recording: by their RTP timestamps, held against when they came.

/// Samples of 8000 Hz that a recording waits for late packets: 1 s.
pub const PATIENCE: u64 = 8000;
/// How far ahead of its arrival a packet may be placed: 2 s.
const AHEAD: i64 = 16_000;
/// Samples kept until they are written: what may be late and what may be ahead.
const KEPT: usize = 32_768;
/// Over how many packets the sender's clock is watched.
const WATCHED: u32 = 100;
/// How far the sender's clock may be off before it is corrected: 60 ms.
const TOLERANCE: i64 = 480;
/// A packet at most this far behind is late or doubled; further behind, the sender may have begun anew (RFC 3550 A.1).
const MAX_MISORDER: u16 = 100;

/// A packet of a stream, decoded, and when it came in samples since the recording began.
#[derive(Clone, Copy, Debug)]
pub struct Heard<'a> {
    /// The synchronisation source.
    pub ssrc: u32,
    /// The sequence number.
    pub sequence: u16,
    /// The timestamp, in samples of the recording.
    pub timestamp: u32,
    /// When it came.
    pub arrival: u64,
    /// Its sound.
    pub samples: &'a [i16],
    /// Whether there is nothing in it that anybody would miss.
    pub quiet: bool,
}

/// Where the last packet in order was placed.
#[derive(Clone, Copy, Debug)]
struct Anchor {
    ssrc: u32,
    sequence: u16,
    timestamp: u32,
    position: i64,
}

/// One channel of a recording.
#[derive(Debug)]
pub struct Timeline {
    /// Samples of the recording for one of 8000 Hz: 1 or 2.
    scale: i64,
    kept: Box<[i16]>,
    /// The position of the first sample that was not taken yet.
    begin: u64,
    /// The position behind the last sample that was placed.
    end: u64,
    anchor: Option<Anchor>,
    /// The number that would show that a sender has begun anew, far behind where it was.
    anew: Option<u16>,
    watched: u32,
    /// The least delay among the packets watched, against their places.
    least_lag: i64,
    /// What is to be put right at the next quiet packet.
    drift: i64,
}

impl Timeline {
    /// Silence, from position 0, at this rate: 8000 or 16000.
    pub fn new(rate_hz: u32) -> Self {
        let scale = i64::from(rate_hz / 8000).max(1);
        Self {
            scale,
            kept: vec![0; KEPT * scale as usize].into(),
            begin: 0,
            end: 0,
            anchor: None,
            anew: None,
            watched: 0,
            least_lag: i64::MAX,
            drift: 0,
        }
    }

    /// Puts a packet into its place; `false` when it comes too late for it.
    ///
    /// A packet lies where its timestamp puts it behind the one before. When the stream begins, changes its source,
    /// pauses without counting the time (hold), or jumps, it lies where it arrived.
    pub fn place(&mut self, heard: &Heard<'_>) -> bool {
        let arrival = heard.arrival as i64;
        let Some(anchor) = self.anchor.filter(|anchor| anchor.ssrc == heard.ssrc) else {
            return self.settle(heard, arrival);
        };
        let step = i64::from(heard.timestamp.wrapping_sub(anchor.timestamp) as i32);
        let position = anchor.position.saturating_add(step);
        let lag = arrival - position;
        if (heard.sequence.wrapping_sub(anchor.sequence) as i16) <= 0 {
            let places = -AHEAD * self.scale..=PATIENCE as i64 * self.scale;
            if places.contains(&lag) {
                return self.put(position, heard.samples);
            }
            return self.begins_anew(heard, anchor.sequence) && self.settle(heard, arrival);
        }
        if !(-AHEAD * self.scale..(PATIENCE as i64 - TOLERANCE) * self.scale).contains(&lag) {
            return self.settle(heard, arrival);
        }
        self.watch(lag);
        self.correct(heard, position)
    }

    /// The position behind the last sample that was placed.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Takes what lies before a position, in order; there is silence where nothing was placed.
    pub fn take(&mut self, end: u64, mut each: impl FnMut(i16)) {
        while self.begin < end {
            let length = self.kept.len();
            let place = &mut self.kept[self.begin as usize % length];
            each(std::mem::take(place));
            self.begin += 1;
        }
    }

    /// Two packets in a row, far behind and at no time that fits, are of a sender that numbers and times anew.
    fn begins_anew(&mut self, heard: &Heard<'_>, before: u16) -> bool {
        let expected = self.anew.replace(heard.sequence.wrapping_add(1));
        before.wrapping_sub(heard.sequence) > MAX_MISORDER && expected == Some(heard.sequence)
    }

    /// The stream, as placed, begins anew here.
    fn settle(&mut self, heard: &Heard<'_>, position: i64) -> bool {
        self.anew = None;
        (self.watched, self.least_lag, self.drift) = (0, i64::MAX, 0);
        self.follow(heard, position)
    }

    fn follow(&mut self, heard: &Heard<'_>, position: i64) -> bool {
        let &Heard { ssrc, sequence, timestamp, .. } = heard;
        self.anchor = Some(Anchor { ssrc, sequence, timestamp, position });
        self.put(position, heard.samples)
    }

    /// The sender's clock is never ours, and a route may become longer or shorter. What that adds up to is told by
    /// the packet that was under way for the shortest time.
    fn watch(&mut self, lag: i64) {
        self.watched += 1;
        self.least_lag = self.least_lag.min(lag);
        if self.watched == WATCHED {
            self.drift = if self.least_lag.abs() > TOLERANCE * self.scale { self.least_lag } else { 0 };
            (self.watched, self.least_lag) = (0, i64::MAX);
        }
    }

    /// Puts the drift right where nobody hears it: silence is made longer, or a quiet packet left out.
    fn correct(&mut self, heard: &Heard<'_>, position: i64) -> bool {
        if self.drift == 0 || !heard.quiet {
            return self.follow(heard, position);
        }
        let length = heard.samples.len() as i64;
        let shift = if self.drift > 0 { std::mem::take(&mut self.drift) } else { (-length).max(self.drift) };
        if shift > 0 {
            return self.follow(heard, position + shift);
        }
        self.drift -= shift;
        let nothing = Heard { samples: &[], ..*heard };
        self.follow(&nothing, position + shift)
    }

    fn put(&mut self, position: i64, samples: &[i16]) -> bool {
        let begin = self.begin as i64;
        let skipped = (begin - position).clamp(0, samples.len() as i64);
        for (offset, &sample) in samples.iter().enumerate().skip(skipped as usize) {
            let at = position + offset as i64;
            let length = self.kept.len();
            if at - begin >= length as i64 {
                return false;
            }
            self.kept[at as usize % length] = sample;
            self.end = self.end.max(at as u64 + 1);
        }
        samples.is_empty() || skipped < samples.len() as i64
    }
}

#[cfg(test)]
mod tests;
