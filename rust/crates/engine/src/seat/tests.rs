use super::*;
use crate::ear::Ear;
use crate::formats::{Content, Format, Speech};
use trunkline_dsp::Sine;
use trunkline_dsp::noise::Random;
use trunkline_rtp::RtpPacket;
use trunkline_rtp::packet::{HEADER, write_header};

const RIGHTS: Rights = Rights { gain_db: 0.0, muted: false, deaf: false };
/// How long they talk: a clock that is 300 millionths off is 180 ms off by then, or fifty periods.
const MINUTES: usize = 10;
/// Beats until all have settled.
const SETTLED: usize = 250;

/// A member whose clock is so many millionths too fast, behind a network with a little jitter.
struct Member {
    slot: u32,
    millionths: f64,
    sine: Sine,
    random: Random,
    sent: u32,
    ear: Ear,
    seat: Seat,
    /// The last two samples that it heard, and where what it heard bent most.
    before: [i32; 2],
    steepest: i32,
    faintest: f64,
    unheard: usize,
    concealed: u32,
}

impl Member {
    fn new(hall: &Arc<Hall>, slot: u32, millionths: f64) -> Self {
        let codec = l16();
        let Content::Sound(sound) = codec.content else { panic!() };
        hall.lock().admit(slot, RIGHTS, Some(Speech { payload_type: 96, codec: sound, ptime_ms: 20 }));
        Self {
            slot,
            millionths,
            sine: Sine::new(f64::from(slot) * 100.0 + 100.0, -20.0, 8000.0),
            random: Random::default(),
            sent: 0,
            ear: Ear::default(),
            seat: Seat::new(Arc::clone(hall)),
            before: [0; 2],
            steepest: 0,
            faintest: 1e9,
            unheard: 0,
            concealed: 0,
        }
    }

    /// What has come of it by now.
    fn send(&mut self, now_ns: u64) {
        loop {
            let late_ms = f64::from(self.random.level().abs()) * 4.0;
            let at_ms = f64::from(self.sent) * 20.0 / (1.0 + self.millionths / 1e6) + late_ms;
            if at_ms * 1e6 > now_ns as f64 {
                return;
            }
            let mut bytes = vec![0; HEADER];
            if let Ok(header) = (&mut bytes[..]).try_into() {
                write_header(header, false, 96, self.sent as u16, self.sent * 160, self.slot);
            }
            bytes.extend((0..160).flat_map(|_| self.sine.sample().to_be_bytes()));
            self.ear.push((at_ms * 1e6) as u64, &RtpPacket::parse(&bytes).unwrap(), l16());
            self.sent += 1;
        }
    }

    fn speak(&mut self, now_ns: u64, settled: bool) {
        let frame = self.ear.pull(now_ns);
        self.unheard += usize::from(settled && !frame.heard);
        self.concealed += frame.concealed;
        self.seat.bring(self.slot, &frame);
    }

    fn hear(&mut self, settled: bool) {
        let Some(mixed) = self.seat.hall.lock().fetch(self.slot, true) else { return };
        let sound = match mixed {
            Mixed::Sound(sound) => sound,
            // Who does not speak yet hears what all such hear.
            Mixed::Payload(_) if !settled => return,
            Mixed::Payload(_) => panic!("{} is taken for silent", self.slot),
        };
        let mut power = 0.0;
        for &sample in &*sound {
            let sample = i32::from(sample);
            let [one, two] = self.before;
            let bend = (sample - 2 * two + one).abs();
            self.steepest = if settled { self.steepest.max(bend) } else { 0 };
            self.before = [two, sample];
            power += f64::from(sample).powi(2);
        }
        if settled {
            self.faintest = self.faintest.min((power / sound.len() as f64).sqrt());
        }
    }
}

fn l16() -> Format {
    Format::read(96, "L16", 8000, 1, "").unwrap()
}

#[test]
fn a_room_of_members_whose_clocks_drift_apart_sounds_to_the_end_as_at_first() {
    let hall = Arc::new(Hall::new(8000, 4));
    let clocks = [(1, 300.0), (2, -300.0), (3, 100.0)];
    let mut members = clocks.map(|(slot, millionths)| Member::new(&hall, slot, millionths));
    let mut random = Random::default();
    for beat in 0..MINUTES * 3000 {
        let (now_ns, settled) = (beat as u64 * 20_000_000, beat > SETTLED);
        // The third is another worker's: its beat is now before that of the room, and now behind it.
        let behind = random.level() > 0.0;
        for member in &mut members {
            member.send(now_ns);
            if member.slot < 3 || !behind {
                member.speak(now_ns, settled);
            }
        }
        hall.lead(now_ns);
        for member in &mut members {
            if member.slot == 3 && behind {
                member.speak(now_ns, settled);
            }
            member.hear(settled);
        }
        if beat % 3000 == 2999 {
            for member in &members {
                let figures = member.ear.figures();
                assert!(figures.delay_us < figures.target_us + 60_000, "beat {beat}: {figures:?}");
                assert!(figures.target_us <= 60_000, "beat {beat}: {figures:?}");
            }
        }
    }
    for member in &members {
        let (slot, figures) = (member.slot, member.ear.figures());
        assert_eq!(
            (figures.lost, figures.late, figures.dropped, member.unheard),
            (0, 0, 0, 0),
            "{figures:?}"
        );
        // 180 ms are nine packets, if all of it had to be invented.
        assert!(member.concealed <= 12, "{slot}: {}", member.concealed);
        // Tones of 300 and 400 Hz at these levels bend by 710 at most; a click by thousands.
        assert!(member.steepest < 1500, "{slot}: {}", member.steepest);
        // Two tones of -20 dBov are 4634 together.
        assert!(member.faintest > 3000.0, "{slot}: {}", member.faintest);
    }
}
