//! Everything at once: commands of three threads, packets, events, files and rooms, with three workers.
//!
//! What it asserts is that all comes to its end. Its worth is what a sanitizer sees meanwhile (`make sanitize`).

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use trunkline_dsp::Law;

use crate::scratch::Scratch;
use crate::{Config, Ears, Engine, Event, Family, Formats, OpenedPort, Policy, Remote, Rights, Tone, Wanted};

const ROUNDS: usize = if cfg!(debug_assertions) { 10 } else { 200 };
const FIRST_PORT: u16 = 19_400;
const PAIRS: u16 = 60;

fn config() -> Config {
    Config {
        addresses: vec![Ipv4Addr::LOCALHOST.into()],
        first_port: FIRST_PORT,
        last_port: FIRST_PORT + 2 * PAIRS - 1,
        workers: 3,
        inactivity: Duration::from_millis(1),
        quarantine: Duration::ZERO,
        learn: Duration::from_millis(1),
        relearn: Duration::from_millis(1),
        coalesce: Duration::from_micros(100),
        event_queue: 64,
        kernel: None,
    }
}

fn until<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < Duration::from_secs(300));
        thread::yield_now();
    }
}

fn remote(phone: &UdpSocket) -> Remote {
    Remote {
        rtp: Some(phone.local_addr().unwrap()),
        rtcp: None,
        mux: true,
        policy: Policy::Nat,
        dtmf_payload_type: Some(101),
        clock_hz: 8000,
        opaque: false,
    }
}

fn formats(payload_type: u8) -> Formats {
    let format =
        crate::Format::read(payload_type, if payload_type == 0 { "PCMU" } else { "PCMA" }, 8000, 1, "");
    let format = format.unwrap();
    let crate::Content::Sound(codec) = format.content else { panic!("sound") };
    let send = Some(crate::Speech { payload_type, codec, ptime_ms: 20 });
    Formats { receive: vec![format], send, send_keys: None }
}

/// Speech, a key, a report and nothing that anybody knows.
fn say(phone: &UdpSocket, to: SocketAddr, round: usize) {
    let mut packet = [0xd5; 172];
    for payload_type in [0, 8, 101, 77] {
        let number = (round * 4) as u16;
        packet[..12].copy_from_slice(&[
            0x80,
            payload_type,
            (number >> 8) as u8,
            number as u8,
            0,
            0,
            0,
            9,
            1,
            1,
            1,
            1,
        ]);
        let _ = phone.send_to(&packet, to);
    }
    let _ = phone.send_to(&[0x80, 201, 0, 1, 1, 1, 1, 1], to);
}

fn address(place: &OpenedPort) -> SocketAddr {
    SocketAddr::new(place.address, place.rtp_port)
}

/// A call of two ports at two workers, which does all that calls do, and ends.
fn call(engine: &Engine, name: &str, scratch: &Scratch, round: usize, phones: &[UdpSocket; 2]) {
    let [a, b] = [format!("{name}-a"), format!("{name}-b")];
    for (number, id) in [&a, &b].into_iter().enumerate() {
        let place = until(|| engine.open(id, &format!("{name}-{number}"), Family::V4, None).ok());
        engine.set_formats(id, formats(8 * number as u8)).unwrap();
        engine.set_remote(id, remote(&phones[number])).unwrap();
        say(&phones[number], address(&place), round);
    }
    let recording = format!("{name}-{round}");
    let wanted = Wanted {
        file: scratch.path(&format!("{recording}.wav")),
        recording: recording.clone(),
        other: round.is_multiple_of(3).then(|| b.clone()),
        stereo: round.is_multiple_of(2),
        longest: Duration::from_secs(60),
        largest: 1 << 20,
        keep_free: 0,
        silence: Duration::ZERO,
    };
    engine.record(&a, &wanted).unwrap();
    engine.link(&a, &b, round % 2 == 1).unwrap();
    engine.listen(&a, Ears { keys: true, voice_end_ms: Some(100), progress: true, machine: false }).unwrap();
    engine.set_direction(&b, !round.is_multiple_of(5), true).unwrap();
    engine.statistics(&a).unwrap();
    if round.is_multiple_of(2) {
        engine.join(&a, "room", Rights { gain_db: 0.0, muted: false, deaf: false }).unwrap();
        engine.play(&b, &format!("{name}-{round}-b"), vec!["memory:sound".into()], Law::A, true).unwrap();
    } else {
        engine
            .tone(&a, Tone { frequency_hz: 440.0, level_dbov: -10.0, law: Law::Mu, duration_ms: Some(20) })
            .unwrap();
        engine.echo(&b).unwrap();
    }
    engine.adopt(&b, &format!("{name}-other")).unwrap();
    engine.unlink(&a).unwrap();
    if round.is_multiple_of(4) {
        engine.stop_record(&recording);
    }
    engine.close(&a).unwrap();
    assert_eq!(engine.close_owner(&format!("{name}-other")).len(), 1);
}

#[test]
fn commands_packets_files_and_rooms_at_once_come_to_their_ends() {
    let engine = Engine::start(config()).unwrap();
    let scratch = Scratch::new();
    engine.load_sound("sound", vec![7; 3200], 8000).unwrap();
    engine.open_room("room", "conference", 16_000, 3).unwrap();
    let over = AtomicBool::new(false);
    let (engine, scratch, over) = (&engine, &scratch, &over);
    let recorded = thread::scope(|scope| {
        scope.spawn(|| {
            let stranger = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            for round in 0.. {
                if over.load(Ordering::Relaxed) {
                    break;
                }
                let port = FIRST_PORT + (round % usize::from(2 * PAIRS)) as u16;
                say(&stranger, (Ipv4Addr::LOCALHOST, port).into(), round);
                thread::yield_now();
            }
        });
        for name in ["x", "y", "z"] {
            scope.spawn(move || {
                let phones = [0; 2].map(|_| UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap());
                (0..ROUNDS).for_each(|round| call(engine, name, scratch, round, &phones));
            });
        }
        let mut recorded = 0;
        until(|| {
            recorded += engine.take_events().iter().filter(|(.., event)| is_recorded(event)).count();
            engine.counters();
            (recorded == 3 * ROUNDS).then_some(())
        });
        over.store(true, Ordering::Relaxed);
        recorded
    });
    assert_eq!(recorded, 3 * ROUNDS);
    engine.close_owner("conference");
    assert_eq!(engine.counters().ports_open, 0);
    engine.stop();
}

fn is_recorded(event: &Event) -> bool {
    matches!(event, Event::Recorded(_) | Event::RecordFailed(_))
}
