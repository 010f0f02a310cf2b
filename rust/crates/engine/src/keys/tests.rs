use super::*;
use crate::voice::FRAME_NS;
use trunkline_rtp::RtpPacket;

fn digits(digits: &str, duration_ms: u64, gap_ms: u64) -> Digits {
    Digits { digits: digits.into(), payload_type: 101, duration_ms, gap_ms }
}

/// What is sent at each packet time, and what is told.
fn run(keys: &mut Keys, voice: &mut Voice, clock_hz: u32, times: u64) -> Vec<(Vec<Vec<u8>>, Option<Event>)> {
    (0..times)
        .map(|time| {
            let mut packets = Vec::new();
            let send = |packet: &KeyFrame| packets.push(packet.to_vec());
            let step = keys.step(time * FRAME_NS, clock_hz, voice, send);
            (packets, step.event)
        })
        .collect()
}

#[test]
fn two_keys_octet_by_octet() {
    let mut keys = Keys::default();
    keys.add(digits("1#", 40, 60));
    let mut voice = Voice::new(0xfffe_ffff_ff00_0007);
    let all = run(&mut keys, &mut voice, 8000, 11);
    let sent: Vec<Vec<u8>> = all.iter().flat_map(|(packets, _)| packets.clone()).collect();
    let packet = |second: u8, number: u16, stamp: u32, payload: [u8; 4]| {
        let mut octets = vec![0x80, second];
        octets.extend(number.to_be_bytes());
        octets.extend(stamp.to_be_bytes());
        octets.extend([0xff, 0, 0, 7]);
        octets.extend(payload);
        octets
    };
    let first = 0xffff_ff00u32;
    // 40 ms held and 60 ms apart: the second key begins 800 units later, beyond the end of the timestamps.
    let second = 0x220;
    let wanted = [
        packet(0xe5, 0xfffe, first, [1, 0x0a, 0, 160]),
        packet(0x65, 0xffff, first, [1, 0x8a, 1, 64]),
        packet(0x65, 0, first, [1, 0x8a, 1, 64]),
        packet(0x65, 1, first, [1, 0x8a, 1, 64]),
        packet(0xe5, 2, second, [11, 0x0a, 0, 160]),
        packet(0x65, 3, second, [11, 0x8a, 1, 64]),
        packet(0x65, 4, second, [11, 0x8a, 1, 64]),
        packet(0x65, 5, second, [11, 0x8a, 1, 64]),
    ];
    assert_eq!(sent, wanted);
    let told: Vec<_> = all.iter().enumerate().filter(|(_, (_, event))| event.is_some()).collect();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].0, 9);
    assert_eq!(told[0].1.1, Some(Event::DigitsSent { digits: "1#".into() }));
    assert!(keys.is_empty());
}

#[test]
fn another_clock_counts_in_its_own_units() {
    let mut keys = Keys::default();
    keys.add(digits("5", 40, 40));
    let all = run(&mut keys, &mut Voice::new(0), 48_000, 4);
    let last = RtpPacket::parse(&all[1].0[0]).unwrap().payload().unwrap().to_vec();
    assert_eq!(last, [5, 0x8a, 0x07, 0x80]);
}

#[test]
fn orders_follow_each_other_and_each_is_told() {
    let mut keys = Keys::default();
    keys.add(digits("12", 40, 40));
    keys.add(digits("3", 40, 40));
    let all = run(&mut keys, &mut Voice::new(0), 8000, 12);
    let told: Vec<Event> = all.into_iter().filter_map(|(_, event)| event).collect();
    let sent = |digits: &str| Event::DigitsSent { digits: digits.into() };
    assert_eq!(told, [sent("12"), sent("3")]);
}

#[test]
fn no_clock_makes_it_fall() {
    for clock_hz in [0, 1, 7999, 90_000, u32::MAX] {
        let mut keys = Keys::default();
        keys.add(digits("9", 8000, 40));
        run(&mut keys, &mut Voice::new(u64::MAX), clock_hz, 402);
        assert!(keys.is_empty());
    }
}

#[test]
fn what_cannot_be_pressed_is_refused() {
    assert!(check(&digits("0123456789*#ABCD", 100, 60)).is_ok());
    assert!(check(&Digits { payload_type: IN_SOUND, ..digits("1", 100, 60) }).is_ok());
    for wrong in ["", "a", "1 2", "!", "é", &"1".repeat(65)] {
        assert!(check(&digits(wrong, 100, 60)).is_err(), "{wrong}");
    }
    for (duration, gap) in [(39, 60), (8001, 60), (100, 39), (100, 8001), (u64::MAX, u64::MAX)] {
        assert!(check(&digits("1", duration, gap)).is_err());
    }
    for payload_type in [8, 34, 72, 95, 128, 255] {
        assert!(check(&Digits { payload_type, ..digits("1", 100, 60) }).is_err());
    }
}
