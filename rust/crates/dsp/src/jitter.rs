//! An adaptive jitter buffer: packets in as they come, packets out in their order and when they are due.
//!
//! It knows no codec and no clock: whoever decodes says when a sound would be heard, and how long each one was.
//! Its rules:
//!
//! - A packet is due at the least transit time of late plus the target, which follows the 97th percentile of the
//!   jitter between 20 and 200 ms.
//! - What is missing while something behind it is there is lost, and is invented in its full length.
//! - While nothing is there, time stands still: sound that comes later than expected is played later, not thrown
//!   away. What was invented meanwhile counts for what turns out to be lost.
//! - Delay that is too long or too short is told with each packet; whoever decodes shortens or lengthens the sound
//!   where that is not heard (`crate::stretch`). So clocks that drift apart cost nothing else.
//! - Only a backlog far above the target is thrown away.

mod delay;
mod pull;

use delay::Delay;
pub use pull::{Figures, Packet, Pull};

/// Packets that it holds at most; of more, the oldest are thrown away.
pub const MOST_PACKETS: usize = 64;
/// Octets of the longest payload: 60 ms of linear samples at 48000 Hz. Slots are as large as what came.
pub const MOST_OCTETS: usize = 5760;

/// A sequence number further on or back than this is another stream when the next one continues it (RFC 3550 §A.1).
const FURTHEST_ON: i64 = 3000;
const FURTHEST_BACK: i64 = 200;
/// A timestamp that differs by more from what the arrival says has jumped: a sender began anew, or stood still.
const JUMP_US: i64 = 2_000_000;
/// Delay is left alone while it is so much longer than the target, or shorter: what is too short is heard. Together
/// they are more than a frame of 20 ms, by which it changes when packets are pulled a frame earlier or later.
const LONGER_US: i64 = 25_000;
const SHORTER_US: i64 = 5_000;
/// Packets of late that must all have been delayed for too long before that is told.
const RECENT: usize = 8;
/// A backlog of this much more than the target is thrown away.
const BACKLOG_US: i64 = 150_000;
const LONGEST_STEP_US: i64 = 120_000;

#[derive(Debug, Default)]
struct Slot {
    /// The extended sequence number, when there is something in it.
    number: Option<i64>,
    /// The extended timestamp.
    time: i64,
    timestamp: u32,
    payload_type: u8,
    marker: bool,
    /// Empty: something that is not sound took this sequence number.
    payload: Vec<u8>,
}

impl Slot {
    fn packet(&self) -> Packet<'_> {
        Packet {
            payload_type: self.payload_type,
            marker: self.marker,
            timestamp: self.timestamp,
            payload: &self.payload,
        }
    }
}

/// The packet that is furthest on, by which others are placed.
#[derive(Clone, Copy, Debug)]
struct Front {
    number: i64,
    time: i64,
    timestamp: u32,
    at_us: i64,
    /// Whether its number is that of the sound, and not of something behind it that was none.
    is_sound: bool,
}

/// The buffer of one stream.
#[derive(Debug)]
pub struct Jitter {
    clock_hz: i64,
    slots: Vec<Slot>,
    front: Option<Front>,
    playing: bool,
    /// The extended sequence number that is to be heard next, and which of the 64 before it came.
    next: i64,
    came: u64,
    /// Where the packet that was given last begins, in extended timestamps; where the sound ends that was given;
    /// and what was invented behind it.
    given: i64,
    cursor: i64,
    invented: i64,
    /// The length of a packet, in ticks.
    step: i64,
    /// The sequence number that would prove that another stream has begun.
    other: Option<u16>,
    delay: Delay,
    /// How much longer than the target the last packets were delayed, the last one first.
    recent: [i64; RECENT],
    figures: Figures,
}

impl Jitter {
    /// A buffer for a stream whose RTP clock runs at `clock_hz`, 8000 to 48000.
    #[must_use]
    pub fn new(clock_hz: u32) -> Self {
        let clock_hz = i64::from(clock_hz.clamp(8000, 48_000));
        let slots = (0..MOST_PACKETS).map(|_| Slot::default()).collect();
        Self {
            clock_hz,
            slots,
            front: None,
            playing: false,
            next: 0,
            came: 0,
            given: 0,
            cursor: 0,
            invented: 0,
            step: clock_hz / 50,
            other: None,
            delay: Delay::default(),
            recent: [0; RECENT],
            figures: Figures::default(),
        }
    }

    /// Another stream begins, at this RTP clock: another SSRC, or a codec with another clock. What waits is thrown
    /// away; the figures and what is known of the jitter stay.
    pub fn restart(&mut self, clock_hz: u32) {
        self.clock_hz = i64::from(clock_hz.clamp(8000, 48_000));
        self.step = self.clock_hz / 50;
        self.begin_anew();
    }

    fn begin_anew(&mut self) {
        let waiting = self.slots.iter_mut().filter_map(|slot| slot.number.take()).count();
        self.figures.dropped += waiting as u64;
        self.front = None;
        self.playing = false;
        self.came = 0;
        self.invented = 0;
        self.other = None;
        self.delay.begin_anew();
        self.recent = [0; RECENT];
    }

    /// Takes a packet that came at `now_us`, a clock that never goes back.
    ///
    /// The fields are those of its RTP header (RFC 3550 §5.1). Sound whose time has passed, duplicates and payloads
    /// of more than [`MOST_OCTETS`] octets are counted and left out.
    pub fn push(
        &mut self,
        now_us: u64,
        sequence: u16,
        timestamp: u32,
        payload_type: u8,
        marker: bool,
        payload: &[u8],
    ) {
        if payload.len() > MOST_OCTETS {
            self.figures.dropped += 1;
            return;
        }
        let now_us = now_us as i64;
        let Some(number) = self.placed(sequence) else {
            self.figures.dropped += 1;
            return;
        };
        let time =
            if payload.is_empty() { self.step_over(number) } else { self.time_of(number, timestamp, now_us) };
        if !payload.is_empty() {
            self.delay.arrived(now_us - self.us(time));
        }
        if self.has_passed(number) {
            self.count_late(number);
        } else if self.slot(number).number == Some(number) {
            self.figures.duplicates += 1;
        } else {
            self.make_room(number);
            self.figures.received += 1;
            let slot = self.slot(number);
            *slot = Slot {
                number: Some(number),
                time,
                timestamp,
                payload_type,
                marker,
                payload: std::mem::take(&mut slot.payload),
            };
            slot.payload.clear();
            slot.payload.extend_from_slice(payload);
        }
    }

    /// Says that a packet of this stream was no sound (a telephone event): its sequence number is not missing.
    pub fn pass(&mut self, now_us: u64, sequence: u16) {
        if self.front.is_some() {
            self.push(now_us, sequence, 0, 0, false, &[]);
        }
    }

    /// The extended number of a sequence number; `None` for one that is out of range, unless it is the second of
    /// another stream, which then begins.
    fn placed(&mut self, sequence: u16) -> Option<i64> {
        let Some(front) = self.front else {
            self.next = i64::from(sequence);
            return Some(self.next);
        };
        let apart = i64::from(sequence.wrapping_sub(front.number as u16) as i16);
        if (-FURTHEST_BACK..=FURTHEST_ON).contains(&apart) {
            self.other = None;
            return Some(front.number + apart);
        }
        let continued = self.other == Some(sequence);
        self.other = Some(sequence.wrapping_add(1));
        if !continued {
            return None;
        }
        self.begin_anew();
        self.placed(sequence)
    }

    /// What is no sound has no time of its own: telephone events keep that of their beginning.
    fn step_over(&mut self, number: i64) -> i64 {
        let Some(front) = &mut self.front else { return 0 };
        if number > front.number {
            (front.number, front.is_sound) = (number, false);
        }
        front.time
    }

    /// The extended timestamp; one that jumped is placed by when it came.
    fn time_of(&mut self, number: i64, timestamp: u32, now_us: i64) -> i64 {
        let Some(front) = self.front else {
            let time = i64::from(timestamp);
            self.front = Some(Front { number, time, timestamp, at_us: now_us, is_sound: true });
            return time;
        };
        let apart = i64::from(timestamp.wrapping_sub(front.timestamp) as i32);
        let packets = number - front.number;
        if packets <= 0 {
            return front.time + apart.clamp(-self.ticks(JUMP_US), 0);
        }
        let since_us = now_us - front.at_us;
        let jumped = apart < 0 || (self.us(apart) - since_us).abs() > JUMP_US;
        let steps = packets * self.step;
        let apart = if jumped { steps.max(since_us * self.clock_hz / 1_000_000) } else { apart };
        let follows = packets == 1 && front.is_sound && !jumped;
        if follows && (1..=self.ticks(LONGEST_STEP_US / 2)).contains(&apart) {
            self.step = apart;
        }
        let time = front.time + apart;
        self.front = Some(Front { number, time, timestamp, at_us: now_us, is_sound: true });
        time
    }

    fn has_passed(&mut self, number: i64) -> bool {
        if number >= self.next {
            return false;
        }
        let from_the_beginning = self.front.is_some_and(|front| front.number - number < MOST_PACKETS as i64);
        if !self.playing && from_the_beginning {
            self.next = number;
            return false;
        }
        true
    }

    fn count_late(&mut self, number: i64) {
        let age = self.next - 1 - number;
        let bit = if age < 64 { 1u64 << age } else { 0 };
        if self.came & bit != 0 {
            self.figures.duplicates += 1;
        } else {
            self.came |= bit;
            self.figures.late += 1;
            self.figures.lost = self.figures.lost.saturating_sub(1);
        }
    }

    /// Gives up the oldest when `number` would not fit beside them.
    fn make_room(&mut self, number: i64) {
        while number - self.next >= MOST_PACKETS as i64 {
            self.throw_away_first();
        }
    }

    fn throw_away_first(&mut self) {
        let number = self.next;
        let slot = self.slot(number);
        if slot.number == Some(number) {
            let (time, was_sound) = (slot.time, !slot.payload.is_empty());
            slot.number = None;
            self.figures.dropped += u64::from(was_sound);
            self.cursor = time + self.step;
            self.move_on(true);
        } else {
            self.figures.lost += 1;
            self.move_on(false);
        }
    }

    fn move_on(&mut self, came: bool) {
        self.next += 1;
        self.came = self.came << 1 | u64::from(came);
    }

    /// What is to be heard next. Call it whenever there is not enough sound for a frame, as often as it takes;
    /// `now_us` is the time of the frame, on the clock of [`Jitter::push`]. After [`Pull::Packet`], tell
    /// [`Jitter::played`].
    pub fn pull(&mut self, now_us: u64) -> Pull<'_> {
        let now_us = now_us as i64;
        self.throw_away_backlog();
        let Some((number, missing)) = self.front_of_queue() else { return self.nothing() };
        let time = self.slots[index(number)].time;
        let due_us = self.us(time) + self.delay.least_us() + self.delay.target_us();
        if !self.playing {
            if now_us < due_us {
                return Pull::Wait;
            }
            self.playing = true;
            (self.next, self.cursor, self.invented) = (number, time, 0);
        } else if missing > 0 && time - self.cursor - self.invented > self.step / 2 {
            return self.lost(number, time);
        } else if missing == 0 && time - self.cursor > self.step / 2 && now_us < due_us {
            let ticks = self.ticks(due_us - now_us).clamp(1, self.frame());
            return Pull::Pause { ticks: ticks as u32 };
        }
        self.play(number, time, now_us)
    }

    fn nothing(&mut self) -> Pull<'_> {
        if !self.playing {
            return Pull::Wait;
        }
        self.figures.dry += 1;
        let ticks = self.frame();
        self.invented += ticks;
        Pull::Dry { ticks: ticks as u32 }
    }

    fn lost(&mut self, number: i64, time: i64) -> Pull<'_> {
        self.cursor += std::mem::take(&mut self.invented);
        let ticks = (time - self.cursor).min(self.step);
        self.cursor += ticks;
        self.figures.lost += u64::from(self.slots[index(self.next)].number != Some(self.next));
        self.move_on(false);
        let next = (self.cursor == time).then(|| self.slots[index(number)].packet());
        Pull::Lost { ticks: ticks as u32, next }
    }

    fn play(&mut self, number: i64, time: i64, now_us: i64) -> Pull<'_> {
        while self.next < number {
            let came = self.slots[index(self.next)].number.take_if(|held| *held == self.next).is_some();
            self.figures.lost += u64::from(!came);
            self.move_on(came);
        }
        self.move_on(true);
        self.given = time;
        self.cursor = time + self.step;
        self.invented = 0;
        let delay_us = now_us - self.us(time) - self.delay.least_us();
        self.figures.delay_us = delay_us.max(0) as u64;
        self.figures.target_us = self.delay.target_us() as u64;
        self.recent.rotate_right(1);
        self.recent[0] = delay_us - self.delay.target_us();
        let surplus_us = self.surplus_us();
        let slot = &mut self.slots[index(number)];
        slot.number = None;
        Pull::Packet { packet: self.slots[index(number)].packet(), surplus_us }
    }

    /// What is invented at once when nobody knows for how long: a packet, of 20 ms at most.
    fn frame(&self) -> i64 {
        self.step.min(self.clock_hz / 50)
    }

    /// Too long a delay is told only while more is waiting: what is late as a whole is not to be made shorter.
    fn surplus_us(&self) -> i64 {
        let (last, least) = (self.recent[0], self.recent.iter().copied().min().unwrap_or(0));
        if last < -SHORTER_US {
            last
        } else if least > LONGER_US && self.waiting() >= self.step / 2 {
            least
        } else {
            0
        }
    }

    /// Says how long the packet was that [`Jitter::pull`] gave last, in ticks; without it, it is taken to be as long
    /// as others. 0 for one that holds no sound of its own (comfort noise).
    pub fn played(&mut self, ticks: u32) {
        let ticks = i64::from(ticks).min(self.ticks(LONGEST_STEP_US));
        self.cursor = self.given + ticks;
        if ticks > 0 {
            self.step = ticks.min(self.ticks(LONGEST_STEP_US / 2));
        }
    }

    /// The first sound that waits, and how many packets are missing before it.
    fn front_of_queue(&self) -> Option<(i64, usize)> {
        let last = self.front?.number.min(self.next + MOST_PACKETS as i64 - 1);
        let mut missing = 0;
        for number in self.next..=last {
            let slot = &self.slots[index(number)];
            if slot.number != Some(number) {
                missing += 1;
            } else if !slot.payload.is_empty() {
                return Some((number, missing));
            }
        }
        None
    }

    /// How much sound waits behind what was given, in ticks.
    fn waiting(&self) -> i64 {
        self.front.map_or(0, |front| front.time + self.step - self.cursor)
    }

    fn throw_away_backlog(&mut self) {
        let limit = self.ticks(self.delay.target_us());
        if !self.playing || self.waiting() <= limit + self.ticks(BACKLOG_US) || !self.is_backlog() {
            return;
        }
        while self.waiting() > limit + self.step && self.front_of_queue().is_some() {
            self.throw_away_first();
        }
    }

    /// Whether the sound that waits is there, rather than a pause before its last packet.
    fn is_backlog(&self) -> bool {
        let held = self.slots.iter().filter(|slot| slot.number.is_some() && !slot.payload.is_empty()).count();
        held as i64 * self.step > self.ticks(self.delay.target_us() + BACKLOG_US)
    }

    /// What became of the packets so far.
    #[must_use]
    pub fn figures(&self) -> Figures {
        self.figures
    }

    fn slot(&mut self, number: i64) -> &mut Slot {
        &mut self.slots[index(number)]
    }

    fn us(&self, ticks: i64) -> i64 {
        ticks * 1_000_000 / self.clock_hz
    }

    fn ticks(&self, us: i64) -> i64 {
        us * self.clock_hz / 1_000_000
    }
}

fn index(number: i64) -> usize {
    number.rem_euclid(MOST_PACKETS as i64) as usize
}

#[cfg(test)]
mod tests;
