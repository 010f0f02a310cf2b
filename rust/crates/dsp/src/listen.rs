//! One ear for all detectors: each look is made once, whatever listens.

use crate::keys::{KeyDetector, KeyHeard};
use crate::machine::{AnswerDetector, Answerer, BeepDetector, Limits};
use crate::progress::{Progress, ProgressDetector};
use crate::spectrum::{Look, Spectrum};
use crate::vad::{Activity, VoiceDetector, VoiceHeard};

/// What is listened for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Keys.
    pub keys: bool,
    /// Voices: so many milliseconds of silence end one.
    pub voice_end_ms: Option<u32>,
    /// Signals of the network.
    pub progress: bool,
    /// Who has answered, and a machine's beep.
    pub machine: bool,
}

impl Wanted {
    /// Whether there is nothing to listen for.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

/// What was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// A key.
    Key(KeyHeard),
    /// A voice.
    Voice(VoiceHeard),
    /// A signal of the network.
    Progress(Progress),
    /// Who has answered, and after how many milliseconds.
    Answered(Answerer, u32),
    /// A machine's beep is over.
    Beep,
}

/// Listens to sound of 8000 Hz, in pieces of any length; allocates nothing while it does.
#[derive(Clone, Debug)]
pub struct Listener {
    keys: Option<KeyDetector>,
    spectrum: Option<Spectrum>,
    activity: Activity,
    voice: Option<VoiceDetector>,
    progress: Option<ProgressDetector>,
    tells_progress: bool,
    answer: Option<AnswerDetector>,
    beep: Option<BeepDetector>,
}

impl Listener {
    /// Listens for this from now on.
    #[must_use]
    pub fn new(wanted: Wanted) -> Self {
        let looks = wanted.voice_end_ms.is_some() || wanted.progress || wanted.machine;
        // Whether a fax has answered is told by its tone.
        let progress = wanted.progress || wanted.machine;
        Self {
            keys: wanted.keys.then(KeyDetector::default),
            spectrum: looks.then(Spectrum::default),
            activity: Activity::default(),
            voice: wanted.voice_end_ms.map(VoiceDetector::new),
            progress: progress.then(ProgressDetector::default),
            tells_progress: wanted.progress,
            answer: wanted.machine.then(|| AnswerDetector::new(Limits::default())),
            beep: None,
        }
    }

    /// Hears the next samples.
    pub fn hear(&mut self, samples: &[i16], mut tell: impl FnMut(News)) {
        if let Some(keys) = &mut self.keys {
            keys.hear(samples, |key| tell(News::Key(key)));
        }
        let mut rest = samples;
        while !rest.is_empty() {
            let Some(spectrum) = &mut self.spectrum else { break };
            let (later, look) = spectrum.take(rest);
            rest = later;
            if let Some(look) = look {
                self.consider(&look, &mut tell);
            }
        }
    }

    /// Whether the last 20 ms look like a key, however short: what shall not be passed on as a tone.
    #[must_use]
    pub fn suspects_key(&self) -> bool {
        self.keys.as_ref().is_some_and(KeyDetector::is_suspected)
    }

    fn consider(&mut self, look: &Look, tell: &mut impl FnMut(News)) {
        let speech = self.activity.judge(look);
        if let Some(voice) = self.voice.as_mut().and_then(|voice| voice.hear(speech)) {
            tell(News::Voice(voice));
        }
        let mut fax = false;
        if let Some(progress) = self.progress.as_mut().and_then(|progress| progress.hear(look)) {
            fax = matches!(progress, Progress::FaxCalling | Progress::FaxAnswering);
            if self.tells_progress {
                tell(News::Progress(progress));
            }
        }
        if let Some(answer) = &mut self.answer
            && let Some((who, after_ms)) = answer.hear(speech).or_else(|| fax.then(|| answer.fax()).flatten())
        {
            self.answer = None;
            self.beep = (who == Answerer::Machine).then(BeepDetector::default);
            tell(News::Answered(who, after_ms));
        }
        if self.beep.as_mut().is_some_and(|beep| beep.hear(look)) {
            self.beep = None;
            tell(News::Beep);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sounds::{prompts, silence, tones};

    fn news(wanted: Wanted, sound: &[i16], piece: usize) -> Vec<News> {
        let (mut listener, mut all) = (Listener::new(wanted), Vec::new());
        sound.chunks(piece).for_each(|samples| listener.hear(samples, |one| all.push(one)));
        all
    }

    const ALL: Wanted = Wanted { keys: true, voice_end_ms: Some(800), progress: true, machine: true };

    fn a_machine() -> Vec<i16> {
        let greeting = prompts().into_iter().find(|(name, _)| name == "no-answer").unwrap().1;
        let key = tones(&[(770.0, -18.0), (1336.0, -18.0)], 100);
        let beep = tones(&[(1000.0, -20.0)], 300);
        [silence(500), greeting, silence(1500), beep, silence(800), key, silence(500)].concat()
    }

    #[test]
    fn everything_is_heard_at_once_however_the_sound_is_cut() {
        for piece in [1, 97, 160, 4000] {
            let all = news(ALL, &a_machine(), piece);
            let [first, answered, voice, beep, down, up] = all[..] else { panic!("{all:?}") };
            assert_eq!(first, News::Voice(VoiceHeard::Started));
            assert!(matches!(answered, News::Answered(Answerer::Machine, _)), "{all:?}");
            assert!(matches!(voice, News::Voice(VoiceHeard::Ended(_))), "{all:?}");
            assert_eq!((beep, down), (News::Beep, News::Key(KeyHeard::Down('5'))));
            assert!(matches!(up, News::Key(KeyHeard::Up('5', 90..=110))), "{up:?}");
        }
    }

    #[test]
    fn only_what_is_wanted_is_told() {
        let sound = a_machine();
        assert_eq!(news(Wanted::default(), &sound, 160), []);
        let keys = news(Wanted { keys: true, ..Wanted::default() }, &sound, 160);
        assert!(keys.len() == 2 && keys.iter().all(|one| matches!(one, News::Key(_))));
        let machine = news(Wanted { machine: true, ..Wanted::default() }, &sound, 160);
        assert!(matches!(machine[..], [News::Answered(Answerer::Machine, _), News::Beep]));
    }

    #[test]
    fn a_fax_is_an_answer_and_a_signal() {
        let sound = [silence(500), tones(&[(2100.0, -14.0)], 3000), silence(500)].concat();
        let all = news(Wanted { progress: true, machine: true, ..Wanted::default() }, &sound, 160);
        assert!(
            matches!(all[..], [News::Progress(Progress::FaxAnswering), News::Answered(Answerer::Fax, _)]),
            "{all:?}"
        );
    }
}
