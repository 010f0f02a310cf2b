//! A program's ear and mouth: the sound of a port as PCM over a socket, and what the program wants said.
//!
//! Everything happens at the worker's beat: nothing is read from the socket while there is no room for it, so that the
//! program meets a full socket; what the program does not read in time is dropped, the oldest first, and counted.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socketpair, sockopt,
};
use trunkline_dsp::{Law, Rates};

use crate::ear::Frame;
use crate::engine::Engine;
use crate::error::EngineError;
use crate::mailbox::Order;
use crate::mouth::{MOST_SAMPLES, Sound};
use crate::port::{Context, Job, Port};
use crate::rates::append;

/// Frames that wait to be read by the program: 2 s.
const MOST_UNREAD: usize = 100;
/// What waits to be said: 10 s.
const MOST_WAITING_S: usize = 10;
/// Marks among it, and marks that wait to be read.
const MOST_MARKS: usize = 256;
/// Octets of a mark's name.
const LONGEST_NAME: usize = 64;
/// Octets of the longest message: 100 ms at 48000 Hz.
const LONGEST_MESSAGE: usize = 1 + 9600;
/// Messages read at one beat.
const MOST_MESSAGES: usize = 64;
/// The system keeps so much between us: far less than what may wait here.
const SOCKET_BUFFER: usize = 16_384;
/// Lines of a port that only hear.
const MOST_LINES: usize = 4;
const SOUND: u8 = b'A';
const MARK: u8 = b'M';
const SILENCE: u8 = b'S';
const CLEAR: u8 = b'C';

/// What waits to be said.
#[derive(Debug)]
enum Word {
    Samples(Vec<i16>),
    Mark(Vec<u8>),
}

/// What waits to be read by the program.
#[derive(Debug)]
enum News {
    Sound(Vec<u8>),
    Silence(u32),
    Mark(Vec<u8>),
}

impl News {
    /// How long it is; a mark has no length.
    fn samples(&self) -> Option<u32> {
        match self {
            Self::Sound(message) => Some((message.len() as u32 - 1) / 2),
            Self::Silence(samples) => Some(*samples),
            Self::Mark(_) => None,
        }
    }
}

/// The engine's end of the socket.
#[derive(Debug)]
pub struct Line {
    socket: OwnedFd,
    rate_hz: u32,
    words: VecDeque<Word>,
    samples: usize,
    marks: usize,
    news: VecDeque<News>,
    rates: Option<Rates>,
    sound: Vec<i16>,
    message: Box<[u8; LONGEST_MESSAGE]>,
    fresh: bool,
    closed: bool,
}

impl Line {
    /// Both ends.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn open(rate_hz: u32) -> rustix::io::Result<(Self, OwnedFd)> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
        for socket in [&ours, &theirs] {
            sockopt::set_socket_send_buffer_size(socket, SOCKET_BUFFER.max(4 * LONGEST_MESSAGE))?;
        }
        let line = Self {
            socket: ours,
            rate_hz,
            words: VecDeque::new(),
            samples: 0,
            marks: 0,
            news: VecDeque::new(),
            rates: None,
            sound: Vec::new(),
            message: Box::new([0; LONGEST_MESSAGE]),
            fresh: true,
            closed: false,
        };
        Ok((line, theirs))
    }

    /// Whether the program has closed its end.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// Passes on what was heard of the peer; silence stands in for what was not.
    pub fn hear(&mut self, frame: &Frame<'_>) {
        let sound = frame.sound;
        let samples = self.rate_hz / 50;
        if !frame.heard {
            self.rates = None;
            self.tell(News::Silence(samples));
            return;
        }
        self.sound.clear();
        if sound.rate_hz == self.rate_hz {
            self.sound.extend_from_slice(sound.samples);
        } else {
            if self.rates.as_ref().is_none_or(|rates| rates.from_hz() != sound.rate_hz) {
                self.rates = Rates::new(sound.rate_hz, self.rate_hz);
            }
            if let Some(rates) = &mut self.rates {
                append(rates, sound.samples, &mut self.sound);
            }
        }
        let mut message = Vec::with_capacity(1 + 2 * self.sound.len());
        message.push(SOUND);
        self.sound.iter().for_each(|sample| message.extend(sample.to_le_bytes()));
        self.tell(News::Sound(message));
    }

    fn tell(&mut self, news: News) {
        self.news.push_back(news);
        self.send();
        while self.news.len() > MOST_UNREAD && self.drop_oldest() {}
    }

    /// The oldest frame that another one follows becomes silence, told in one message with it. Marks are never dropped,
    /// and stay where they are. Returns whether there was such a frame: between marks there may be none.
    fn drop_oldest(&mut self) -> bool {
        let pairs = self.news.iter().zip(self.news.iter().skip(1));
        let mut lengths = pairs.map(|(one, next)| Some(one.samples()?.saturating_add(next.samples()?)));
        let Some((at, Some(lost))) = lengths.by_ref().enumerate().find(|(_, lost)| lost.is_some()) else {
            return false;
        };
        self.news.remove(at);
        self.news[at] = News::Silence(lost);
        true
    }

    /// Sends what the program can take.
    fn send(&mut self) {
        while let Some(news) = self.news.front() {
            let sent = match news {
                News::Sound(message) => {
                    send(&self.socket, message, SendFlags::DONTWAIT | SendFlags::NOSIGNAL)
                }
                News::Silence(samples) => {
                    let [a, b, c, d] = samples.to_le_bytes();
                    send(&self.socket, &[SILENCE, a, b, c, d], SendFlags::DONTWAIT | SendFlags::NOSIGNAL)
                }
                News::Mark(name) => {
                    let message = [&[MARK][..], name].concat();
                    send(&self.socket, &message, SendFlags::DONTWAIT | SendFlags::NOSIGNAL)
                }
            };
            match sent {
                Ok(_) => drop(self.news.pop_front()),
                Err(Errno::AGAIN | Errno::INTR | Errno::NOBUFS) => return,
                Err(_) => {
                    self.closed = true;
                    return;
                }
            }
        }
    }

    /// Takes what the program has written, as far as there is room.
    pub fn read(&mut self) {
        let most = self.rate_hz as usize * MOST_WAITING_S;
        for _ in 0..MOST_MESSAGES {
            // Who does not read what is told is not heard either: else its marks would gather here.
            let deaf = self.news.len() > MOST_UNREAD + MOST_MARKS;
            if self.closed || deaf || self.samples >= most || self.marks >= MOST_MARKS {
                return;
            }
            match recv(&self.socket, &mut self.message[..], RecvFlags::DONTWAIT) {
                Ok((0, _)) => self.closed = true,
                Ok((length, _)) => self.take(length),
                Err(Errno::AGAIN) => return,
                Err(Errno::INTR) => {}
                Err(_) => self.closed = true,
            }
        }
    }

    fn take(&mut self, length: usize) {
        match self.message[..length].split_first() {
            Some((&SOUND, octets)) if octets.len() > 1 => {
                let samples: Vec<i16> = octets
                    .chunks_exact(2)
                    .map(|pair| i16::from_le_bytes([pair[0], pair[1]]))
                    .take(self.rate_hz as usize / 10)
                    .collect();
                self.samples += samples.len();
                self.words.push_back(Word::Samples(samples));
            }
            Some((&MARK, name)) => {
                self.marks += 1;
                self.words.push_back(Word::Mark(name[..name.len().min(LONGEST_NAME)].to_vec()));
            }
            Some((&CLEAR, _)) => {
                self.samples = 0;
                self.marks = 0;
                for word in std::mem::take(&mut self.words) {
                    if let Word::Mark(name) = word {
                        self.tell(News::Mark(name));
                    }
                }
            }
            _ => {}
        }
    }

    /// The next 20 ms to be said, silence where there is nothing; marks are told when what was before them is.
    fn next(&mut self, out: &mut [i16]) {
        let mut filled = 0;
        while let Some(word) = self.words.front_mut() {
            match word {
                Word::Mark(name) => {
                    let name = std::mem::take(name);
                    self.marks -= 1;
                    self.words.pop_front();
                    self.tell(News::Mark(name));
                }
                Word::Samples(samples) => {
                    let taken = samples.len().min(out.len() - filled);
                    out[filled..filled + taken].copy_from_slice(&samples[..taken]);
                    filled += taken;
                    self.samples -= taken;
                    if taken == samples.len() {
                        self.words.pop_front();
                    } else {
                        samples.drain(..taken);
                        break;
                    }
                    if filled == out.len() && !matches!(self.words.front(), Some(Word::Mark(_))) {
                        break;
                    }
                }
            }
        }
        out[filled..].fill(0);
    }
}

impl Port {
    /// A program listens, and speaks if it may.
    pub fn answer(&mut self, context: &Context<'_>, line: Box<Line>, speak: bool) {
        if speak {
            self.begin(context, Job::Audio(line));
        } else {
            self.lines.push(*line);
        }
    }

    /// What a program wants said.
    pub fn speak_of_program(&mut self, context: &Context<'_>, replaced: bool) {
        let Job::Audio(line) = &mut self.job else { return };
        line.read();
        line.send();
        let mut samples = [0; MOST_SAMPLES];
        let (rate_hz, first) = (line.rate_hz, line.fresh);
        let samples = &mut samples[..(rate_hz / 50) as usize];
        line.next(samples);
        line.fresh = false;
        if replaced {
            return;
        }
        self.turn_mouth(Law::Mu);
        self.with_mouth(context, |mouth, voice, each| {
            mouth.say((context.now_ns, first), voice, Sound { samples, rate_hz }, each);
        });
    }
}

impl Engine {
    /// Gives a program the sound of a port, and lets it speak if it may; returns the program's end of the socket.
    ///
    /// # Errors
    /// [`EngineError::UnknownPort`]; [`EngineError::Codec`] without formats; [`EngineError::Argument`] for another
    /// rate; [`EngineError::System`].
    pub fn open_audio(&self, id: &str, rate_hz: u32, speak: bool) -> Result<OwnedFd, EngineError> {
        if ![8000, 16_000, 24_000, 48_000].contains(&rate_hz) {
            let text = format!("a program hears 8000, 16000, 24000 or 48000 Hz, got {rate_hz}");
            return Err(EngineError::Argument(text));
        }
        let mut control = self.control();
        let slot = control.find(id)?.slot;
        if control.formats_of(slot).is_none() {
            let text = format!("port {id} has no formats to hear: SetFormats comes first");
            return Err(EngineError::Codec(text));
        }
        let (line, theirs) =
            Line::open(rate_hz).map_err(|error| EngineError::System("socketpair", error.into()))?;
        if speak {
            self.part(&mut control, slot);
        }
        self.order(slot, Order::Audio(Box::new(line), speak));
        self.shared.post_of(slot).wake_up();
        Ok(theirs)
    }
}

/// Forgets lines that were closed; more than a port may have are closed by us.
pub fn keep_open(lines: &mut Vec<Line>) {
    lines.iter_mut().for_each(Line::read);
    lines.retain(|line| !line.is_closed());
    lines.truncate(MOST_LINES);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(samples: &[i16]) -> Frame<'_> {
        Frame { sound: Sound { samples, rate_hz: 8000 }, heard: true, concealed: 0, late: 0 }
    }

    fn read_all(socket: &OwnedFd) -> Vec<Vec<u8>> {
        let mut buffer = vec![0; LONGEST_MESSAGE];
        let mut all = Vec::new();
        while let Ok((length, _)) = recv(socket, &mut buffer[..], RecvFlags::DONTWAIT) {
            if length == 0 {
                break;
            }
            all.push(buffer[..length].to_vec());
        }
        all
    }

    fn write(socket: &OwnedFd, message: &[u8]) -> bool {
        send(socket, message, SendFlags::DONTWAIT).is_ok()
    }

    #[test]
    fn what_is_heard_is_read_and_what_is_not_is_counted() {
        let (mut line, program) = Line::open(8000).unwrap();
        line.hear(&frame(&[1; 160]));
        line.hear(&Frame { heard: false, ..frame(&[0; 160]) });
        let all = read_all(&program);
        assert_eq!((all[0][0], all[0].len()), (b'A', 321));
        assert_eq!(all[1], [b'S', 160, 0, 0, 0]);
    }

    #[test]
    fn what_is_not_read_in_time_is_dropped_and_counted_in_its_place() {
        let (mut line, program) = Line::open(8000).unwrap();
        (0..1000).for_each(|n| line.hear(&frame(&[n as i16; 160])));
        assert!(line.news.len() <= MOST_UNREAD);
        let (mut samples, mut silent) = (0, 0);
        for _ in 0..3 {
            for message in read_all(&program) {
                match message[0] {
                    b'A' => samples += (message.len() - 1) / 2,
                    _ => silent += u32::from_le_bytes(message[1..5].try_into().unwrap()) as usize,
                }
            }
            line.send();
        }
        assert!(silent > 0);
        assert_eq!((samples + silent) % 160, 0);
        assert!(samples + silent >= 999 * 160 - 160 * 200, "{samples} {silent}");
    }

    #[test]
    fn marks_are_told_when_what_was_before_them_is_said() {
        let (mut line, program) = Line::open(8000).unwrap();
        let sound = [&[b'A'][..], &[1; 2 * 240]].concat();
        assert!(write(&program, &sound) && write(&program, b"Mhere"));
        line.read();
        let mut out = [7; 160];
        line.next(&mut out);
        assert_eq!((out[0], read_all(&program).len()), (257, 0));
        line.next(&mut out);
        assert_eq!((out[79], out[80]), (257, 0));
        assert_eq!(read_all(&program), [b"Mhere".to_vec()]);
    }

    #[test]
    fn marks_that_nobody_reads_neither_stop_the_engine_nor_gather_nor_change_places() {
        let (mut line, program) = Line::open(8000).unwrap();
        for beat in 0..3000 {
            // Whatever is refused is what a full socket is for.
            write(&program, format!("M{beat}").as_bytes());
            write(&program, b"A");
            write(&program, b"C");
            line.read();
            line.hear(&frame(&[1; 160]));
            assert!(line.news.len() <= MOST_UNREAD + 2 * MOST_MARKS + MOST_MESSAGES, "{}", line.news.len());
            assert!(line.words.len() <= MOST_MARKS);
        }
        let mut marks = Vec::new();
        for _ in 0..1000 {
            let told = read_all(&program);
            marks.extend(told.into_iter().filter(|message| message[0] == b'M'));
            line.send();
        }
        let numbers: Vec<u32> =
            marks.iter().map(|mark| std::str::from_utf8(&mark[1..]).unwrap().parse().unwrap()).collect();
        assert!(numbers.len() > 100 && numbers.is_sorted(), "{numbers:?}");
    }

    #[test]
    fn a_mark_before_unread_sound_is_no_obstacle() {
        let (mut line, program) = Line::open(8000).unwrap();
        (0..200).for_each(|_| line.hear(&frame(&[1; 160])));
        line.tell(News::Mark(b"here".to_vec()));
        (0..500).for_each(|_| line.hear(&frame(&[1; 160])));
        assert!(line.news.len() <= MOST_UNREAD);
        let (mut samples, mut before) = (0, None);
        for _ in 0..100 {
            for message in read_all(&program) {
                match message[0] {
                    b'A' => samples += (message.len() - 1) / 2,
                    b'M' => before = Some(samples),
                    _ => samples += u32::from_le_bytes(message[1..5].try_into().unwrap()) as usize,
                }
            }
            line.send();
        }
        assert_eq!((samples, before), (700 * 160, Some(200 * 160)));
    }

    #[test]
    fn what_is_cleared_is_not_said_and_its_marks_are_told_at_once() {
        let (mut line, program) = Line::open(8000).unwrap();
        assert!(write(&program, &[&[b'A'][..], &[1; 320]].concat()));
        assert!(write(&program, b"Mend") && write(&program, b"C"));
        line.read();
        assert_eq!(read_all(&program), [b"Mend".to_vec()]);
        let mut out = [7; 160];
        line.next(&mut out);
        assert_eq!(out, [0; 160]);
    }

    #[test]
    fn a_full_line_takes_no_more() {
        let (mut line, program) = Line::open(8000).unwrap();
        let message = [&[b'A'][..], &[1; 1600]].concat();
        let mut written = 0;
        for _ in 0..100 {
            while write(&program, &message) {
                written += 1;
            }
            line.read();
        }
        assert!(line.samples <= 80_800 && written < 300, "{} {written}", line.samples);
    }

    #[test]
    fn the_end_of_the_program_is_noticed() {
        let (mut line, program) = Line::open(8000).unwrap();
        drop(program);
        line.read();
        assert!(line.is_closed());
    }
}
