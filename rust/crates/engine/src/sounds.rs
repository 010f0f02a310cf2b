//! Sounds that a program put into memory, to be played as files are.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use trunkline_dsp::wav::{Coding, LONGEST_HEADER, SUPPORTED};

use crate::engine::Engine;
use crate::error::EngineError;
use crate::source::{Form, form_by_beginning, raw};

/// What the name of a sound in memory begins with, where a file may stand.
pub const PREFIX: &str = "memory:";
/// Octets of all sounds, those included that are only played to their end.
const MOST_OCTETS: usize = 64 << 20;
const MOST_SOUNDS: usize = 4096;

/// A sound.
#[derive(Debug)]
pub struct Sound {
    /// How its octets are read.
    pub form: Form,
    /// Samples, or all of a file.
    pub octets: Vec<u8>,
    in_all: Arc<AtomicUsize>,
}

impl Drop for Sound {
    fn drop(&mut self) {
        self.in_all.fetch_sub(self.octets.len(), Ordering::Relaxed);
    }
}

/// All of them.
#[derive(Debug, Default)]
pub struct Sounds {
    by_name: Mutex<HashMap<String, Arc<Sound>>>,
    in_all: Arc<AtomicUsize>,
}

impl Sounds {
    /// Keeps a sound: samples of 16 bits, little-endian, one channel; at the rate 0 all of a WAV or Ogg Opus file, which
    /// says it itself. One of this name before is forgotten.
    ///
    /// # Errors
    /// [`EngineError::Argument`] for a rate out of range, no whole samples or no such file, [`EngineError::Memory`] when there is no
    /// room.
    pub fn load(&self, name: &str, octets: Vec<u8>, rate_hz: u32) -> Result<(), EngineError> {
        let form = form_of(name, &octets, rate_hz).map_err(EngineError::Argument)?;
        let mut by_name = self.lock();
        if by_name.len() >= MOST_SOUNDS && !by_name.contains_key(name) {
            let text = format!(
                "{MOST_SOUNDS} sounds are in memory, and no more are possible: DropSound comes first"
            );
            return Err(EngineError::Memory(text));
        }
        // Only here it grows, under the lock.
        let before = self.in_all.load(Ordering::Relaxed);
        if before.saturating_add(octets.len()) > MOST_OCTETS {
            return Err(EngineError::Memory(format!(
                "sounds in memory have {MOST_OCTETS} octets in all at most: {before} are there, and {} more do not \
                 fit; DropSound makes room once what is played of it has ended",
                octets.len()
            )));
        }
        self.in_all.fetch_add(octets.len(), Ordering::Relaxed);
        let sound = Sound { form, octets, in_all: Arc::clone(&self.in_all) };
        by_name.insert(name.into(), Arc::new(sound));
        Ok(())
    }

    /// Forgets a sound; who plays it does so to its end.
    pub fn forget(&self, name: &str) {
        self.lock().remove(name);
    }

    /// A sound.
    ///
    /// # Errors
    /// [`EngineError::Memory`].
    pub fn find(&self, name: &str) -> Result<Arc<Sound>, EngineError> {
        self.lock().get(name).cloned().ok_or_else(|| {
            EngineError::Memory(format!("no sound {name} is in memory: LoadSound comes first"))
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<Sound>>> {
        self.by_name.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn form_of(name: &str, octets: &[u8], rate_hz: u32) -> Result<Form, String> {
    if rate_hz == 0 {
        // As of a file: what is long may be made so that all of it would be searched, in the way of everybody else.
        let beginning = &octets[..octets.len().min(LONGEST_HEADER)];
        return form_by_beginning(beginning).map_err(|why| {
            format!("sound {name}: {why}; a file in memory is {SUPPORTED}, and samples need a rate")
        });
    }
    if !(8000..=48_000).contains(&rate_hz) {
        return Err(format!("a sound in memory has 8000 to 48000 samples a second, got {rate_hz}"));
    }
    if octets.is_empty() || !octets.len().is_multiple_of(2) {
        return Err(format!("a sound in memory has whole samples of 16 bits, got {} octets", octets.len()));
    }
    Ok(Form::Plain(raw(Coding::Pcm16, rate_hz)))
}

impl Engine {
    /// Keeps a sound in memory under a name: 16 bits a sample, little-endian, one channel; with the rate 0 all of a WAV
    /// or Ogg Opus file.
    ///
    /// # Errors
    /// [`EngineError::Argument`], [`EngineError::Memory`].
    pub fn load_sound(&self, name: &str, octets: Vec<u8>, rate_hz: u32) -> Result<(), EngineError> {
        self.files.sounds.load(name, octets, rate_hz)
    }

    /// Forgets such a sound.
    pub fn drop_sound(&self, name: &str) {
        self.files.sounds.forget(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_memory_is_bounded_and_what_is_played_counts() {
        let sounds = Sounds::default();
        sounds.load("a", vec![0; MOST_OCTETS - 2], 8000).unwrap();
        let played = sounds.find("a").unwrap();
        sounds.load("b", vec![1, 2], 48_000).unwrap();
        assert_eq!(sounds.load("c", vec![1, 2], 8000).unwrap_err().code(), "media.memory");
        sounds.forget("a");
        assert_eq!(sounds.find("a").unwrap_err().code(), "media.memory");
        assert!(sounds.load("c", vec![1, 2], 8000).unwrap_err().to_string().contains("DropSound"));
        drop(played);
        sounds.load("c", vec![1, 2], 8000).unwrap();
        assert_eq!(sounds.in_all.load(Ordering::Relaxed), 4);
    }

    #[test]
    fn what_is_no_sound_is_refused() {
        let sounds = Sounds::default();
        for (octets, rate_hz) in [(vec![], 8000), (vec![1], 8000), (vec![1, 2], 7999), (vec![1, 2], 96_000)] {
            assert_eq!(sounds.load("a", octets, rate_hz).unwrap_err().code(), "media.argument");
        }
    }

    #[test]
    fn a_file_says_itself_how_it_is_read_and_what_is_none_is_refused() {
        let sounds = Sounds::default();
        let file = [&trunkline_dsp::wav::header_at(16_000, 1, 2)[..], &[1, 2]].concat();
        sounds.load("a", file, 0).unwrap();
        assert_eq!(sounds.find("a").unwrap().form.rate_hz(8000), 16_000);
        let refused = sounds.load("b", b"ID3".to_vec(), 0).unwrap_err();
        assert_eq!(refused.code(), "media.argument");
        assert!(refused.to_string().contains("sound b: it is not a RIFF WAVE file"), "{refused}");
        assert_eq!(sounds.load("b", b"OggS".to_vec(), 0).unwrap_err().code(), "media.argument");
    }

    #[test]
    fn only_the_beginning_of_a_file_is_searched_for_what_it_is() {
        let page = |head: &[u8]| {
            let mut page = b"OggS\0\x02".to_vec();
            page.extend([0; 20]);
            page.extend([1, head.len() as u8]);
            page.extend(head);
            let sum = trunkline_dsp::ogg::sum(&page);
            page[22..26].copy_from_slice(&sum.to_le_bytes());
            page
        };
        let opus = page(b"OpusHead\x01\x01\0\0\x80\xbb\0\0\0\0\0");
        let other = page(b"Speex   ");
        let sounds = Sounds::default();
        sounds.load("a", [other.clone(), opus.clone()].concat(), 0).unwrap();
        let far = [other.repeat(LONGEST_HEADER / other.len() + 1), opus].concat();
        assert_eq!(sounds.load("b", far, 0).unwrap_err().code(), "media.argument");
        let far = [&b"RIFF\0\0\0\0WAVE"[..], &b"LIST\0\0\0\0".repeat(LONGEST_HEADER / 8)].concat();
        let whole = trunkline_dsp::wav::header_at(8000, 1, 2);
        let far = [&far[..], &whole[12..], &[1, 2]].concat();
        assert!(sounds.load("c", far, 0).unwrap_err().to_string().contains("64 KiB"));
    }

    #[test]
    fn another_sound_of_the_name_takes_its_place() {
        let sounds = Sounds::default();
        sounds.load("a", vec![1, 2], 8000).unwrap();
        sounds.load("a", vec![3, 4, 5, 6], 8000).unwrap();
        assert_eq!(sounds.find("a").unwrap().octets, [3, 4, 5, 6]);
        assert_eq!(sounds.in_all.load(Ordering::Relaxed), 4);
    }
}
