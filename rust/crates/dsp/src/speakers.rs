//! Who is heard in a conference: the loudest, and whoever was just heard a little longer.

/// Below this energy nobody is a speaker: -57 dBov.
pub const SILENCE: f32 = 2048.0;
/// Who was heard goes on to be heard for so long, in milliseconds.
const HOLD_MS: u32 = 300;
/// Who is heard yields only to somebody louder by 6 dB.
const PREFERENCE: f32 = 4.0;

/// What a member has to do with this frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// It is not in the mix.
    Silent,
    /// Its first frame: to be faded in.
    Enters,
    /// It is heard.
    Stays,
    /// Its last frame: to be faded out.
    Leaves,
}

#[derive(Clone, Copy, Debug)]
struct Speaker {
    member: u32,
    energy: f32,
    hold_ms: u32,
    part: Part,
}

impl Speaker {
    fn rank(&self) -> f32 {
        if self.part == Part::Enters { self.energy } else { self.energy.max(SILENCE) * PREFERENCE }
    }
}

/// Chooses the speakers of each frame among members of any number.
#[derive(Clone, Debug)]
pub struct Speakers {
    most: usize,
    /// Those heard, and for one frame those who have just lost their place.
    chosen: Vec<Speaker>,
    frame_ms: u32,
}

impl Speakers {
    /// At most so many at once, 1 to 16, in frames of so many milliseconds.
    #[must_use]
    pub fn new(most: usize, frame_ms: u32) -> Self {
        let most = most.clamp(1, 16);
        Self { most, chosen: Vec::with_capacity(2 * most + 1), frame_ms }
    }

    /// The next frame: everybody's loudness is to be offered anew. Who is not offered has left.
    pub fn begin(&mut self) {
        self.chosen.retain(|speaker| speaker.part != Part::Leaves);
        for speaker in &mut self.chosen {
            (speaker.part, speaker.energy) = (Part::Stays, 0.0);
            speaker.hold_ms = speaker.hold_ms.saturating_sub(self.frame_ms);
        }
    }

    /// How loud a member is in this frame: an energy as of [`Loudness`](crate::mix::Loudness).
    pub fn offer(&mut self, member: u32, energy: f32) {
        let speaks = energy >= SILENCE;
        if let Some(known) = self.chosen.iter_mut().find(|speaker| speaker.member == member) {
            known.energy = energy;
            if speaks {
                known.hold_ms = HOLD_MS;
            }
        } else if speaks {
            self.admit(Speaker { member, energy, hold_ms: HOLD_MS, part: Part::Enters });
        }
    }

    /// All were offered: decides. The parts hold until the next `begin`.
    pub fn choose(&mut self) {
        for speaker in self.chosen.iter_mut().filter(|speaker| speaker.hold_ms == 0) {
            speaker.part = Part::Leaves;
        }
        while self.heard().count() > self.most {
            let Some(member) = self.quietest() else { break };
            self.dismiss(member);
        }
    }

    /// What a member does in this frame.
    #[must_use]
    pub fn part_of(&self, member: u32) -> Part {
        let known = self.chosen.iter().find(|speaker| speaker.member == member);
        known.map_or(Part::Silent, |speaker| speaker.part)
    }

    /// The members in the mix of this frame, with those who leave it.
    pub fn members(&self) -> impl Iterator<Item = (u32, Part)> + '_ {
        self.chosen.iter().map(|speaker| (speaker.member, speaker.part))
    }

    /// Newcomers beyond the number of places are weighed against each other at once: nothing grows with the room.
    fn admit(&mut self, speaker: Speaker) {
        let newcomers = self.chosen.iter().filter(|other| other.part == Part::Enters);
        if newcomers.clone().count() == self.most {
            let quietest = newcomers.min_by(|a, b| a.energy.total_cmp(&b.energy)).copied();
            match quietest {
                Some(quietest) if quietest.energy < speaker.energy => self.dismiss(quietest.member),
                _ => return,
            }
        }
        self.chosen.push(speaker);
    }

    fn heard(&self) -> impl Iterator<Item = &Speaker> {
        self.chosen.iter().filter(|speaker| speaker.part != Part::Leaves)
    }

    fn quietest(&self) -> Option<u32> {
        self.heard().min_by(|a, b| a.rank().total_cmp(&b.rank())).map(|speaker| speaker.member)
    }

    /// A newcomer goes as if it had never come; who was heard is faded out.
    fn dismiss(&mut self, member: u32) {
        let Some(index) = self.chosen.iter().position(|speaker| speaker.member == member) else { return };
        if self.chosen[index].part == Part::Enters {
            self.chosen.swap_remove(index);
        } else {
            self.chosen[index].part = Part::Leaves;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(speakers: &mut Speakers, levels: &[(u32, f32)]) -> Vec<(u32, Part)> {
        speakers.begin();
        levels.iter().for_each(|&(member, energy)| speakers.offer(member, energy));
        speakers.choose();
        let mut parts: Vec<_> = speakers.members().collect();
        parts.sort_by_key(|&(member, _)| member);
        parts
    }

    #[test]
    fn the_loudest_are_heard_and_the_quiet_are_not() {
        let mut speakers = Speakers::new(2, 20);
        let parts = frame(&mut speakers, &[(1, 1e5), (2, 9e5), (3, 100.0), (4, 4e5), (5, 2e5)]);
        assert_eq!(parts, [(2, Part::Enters), (4, Part::Enters)]);
        assert_eq!(speakers.part_of(1), Part::Silent);
    }

    #[test]
    fn whoever_was_heard_goes_on_for_a_while_and_then_fades_out() {
        let mut speakers = Speakers::new(2, 20);
        frame(&mut speakers, &[(1, 1e6)]);
        for _ in 0..14 {
            assert_eq!(frame(&mut speakers, &[(1, 0.0)]), [(1, Part::Stays)]);
        }
        assert_eq!(frame(&mut speakers, &[(1, 0.0)]), [(1, Part::Leaves)]);
        assert_eq!(frame(&mut speakers, &[(1, 0.0)]), []);
    }

    #[test]
    fn a_place_is_lost_only_to_somebody_clearly_louder() {
        let mut speakers = Speakers::new(1, 20);
        frame(&mut speakers, &[(1, 1e6), (2, 1e5)]);
        assert_eq!(frame(&mut speakers, &[(1, 1e6), (2, 3e6)]), [(1, Part::Stays)]);
        assert_eq!(frame(&mut speakers, &[(1, 1e6), (2, 5e6)]), [(1, Part::Leaves), (2, Part::Enters)]);
        assert_eq!(frame(&mut speakers, &[(1, 1e6), (2, 5e6)]), [(2, Part::Stays)]);
    }

    #[test]
    fn who_is_not_offered_leaves_in_time_and_the_list_stays_small() {
        let mut speakers = Speakers::new(4, 20);
        let crowd: Vec<_> = (0..200).map(|member| (member, 1e5 + f32::from(member as u16))).collect();
        for _ in 0..20 {
            assert!(frame(&mut speakers, &crowd).len() <= 8);
        }
        assert_eq!(speakers.chosen.capacity(), 9);
        for _ in 0..16 {
            frame(&mut speakers, &[]);
        }
        assert_eq!(frame(&mut speakers, &[]), []);
    }
}
