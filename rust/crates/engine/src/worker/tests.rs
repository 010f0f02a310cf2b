use super::*;
use crate::config::Config;
use crate::control::Family;
use crate::engine::Engine;
use std::net::{Ipv4Addr, UdpSocket};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

/// The first of four ports that nobody uses; those of the system, and of other tests, are handed out above them.
fn free_ports() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let free = |port| UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
    loop {
        // Other runs of these tests begin elsewhere.
        let number = std::process::id() * 7 + NEXT.fetch_add(1, Ordering::Relaxed);
        let first = 10_000 + (number % 1000) as u16 * 4;
        if (first..first + 4).all(free) {
            return first;
        }
    }
}

fn config(first_port: u16) -> Config {
    Config {
        addresses: vec![Ipv4Addr::LOCALHOST.into()],
        first_port,
        last_port: first_port + 3,
        workers: 1,
        inactivity: Duration::ZERO,
        quarantine: Duration::ZERO,
        learn: Duration::ZERO,
        relearn: Duration::ZERO,
        coalesce: Duration::ZERO,
        event_queue: 8,
        kernel: None,
    }
}

fn until<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < Duration::from_secs(20));
        thread::yield_now();
    }
}

/// What an engine is told of a phone that signals where it hears.
fn remote_of(phone: &UdpSocket) -> crate::mailbox::Remote {
    crate::mailbox::Remote {
        rtp: Some(phone.local_addr().unwrap()),
        rtcp: None,
        mux: false,
        policy: crate::latch::Policy::Signalled,
        dtmf_payload_type: None,
        clock_hz: 8000,
        opaque: false,
    }
}

#[test]
fn a_fault_ends_its_port_which_is_told_and_the_worker_goes_on() {
    let engine = Engine::start(config(free_ports())).unwrap();
    engine.open("a", "call", Family::V4, None).unwrap();
    let place = engine.open("b", "other", Family::V4, None).unwrap();
    engine.echo("b").unwrap();
    let slot = engine.control().find("a").unwrap().slot;
    engine.order(slot, Order::Fail);
    engine.order(slot, Order::SetDirection { send: true, receive: true });
    engine.shared.post_of(slot).wake_up();
    let events = until(|| Some(engine.take_events()).filter(|events| !events.is_empty()));
    let (owner, port, event) = &events[0];
    assert_eq!((&**owner, &**port, event), ("call", "a", &Event::Broken { worker: 0 }));
    engine.close("a").unwrap();
    // The slot serves again, and so does the worker.
    let phone = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let remote = remote_of(&phone);
    engine.set_remote("b", remote).unwrap();
    phone.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    phone.send_to(&[0x80; 60], (place.address, place.rtp_port)).unwrap();
    assert_eq!(phone.recv(&mut [0; 100]).unwrap(), 60);
    until(|| engine.open("c", "call", Family::V4, None).ok());
}

/// A port, and a worker that watches its sockets and does what a test says.
fn watched() -> (u16, Arc<Shared>, Worker) {
    let port = free_ports();
    let shared = Arc::new(Shared::new(config(port)).unwrap());
    let sockets = crate::sockets::Sockets::bind(Ipv4Addr::LOCALHOST.into(), port).unwrap();
    shared.slot(0).sockets.set(sockets).unwrap();
    watch(&shared.posts[0], &shared, 0).unwrap();
    let worker = Worker::new(Arc::clone(&shared), 0);
    (port, shared, worker)
}

#[test]
fn a_socket_that_never_becomes_empty_has_one_turn_at_a_time() {
    let (port, shared, mut worker) = watched();
    let context = Context { shared: &shared, post: &shared.posts[0], now_ns: 0 };
    let flood = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let mut ready = Vec::with_capacity(READY);
    for _ in 0..5 {
        for _ in 0..3 * BURST {
            flood.send_to(&[0x80; 12], (Ipv4Addr::LOCALHOST, port)).unwrap();
        }
        ready.clear();
        let _ = epoll::wait(&context.post.epoll, rustix::buffer::spare_capacity(&mut ready), None);
        assert_eq!(worker.serve(&context, &ready), BURST);
        assert!(worker.flooded);
    }
}

#[test]
fn a_stream_is_read_packet_by_packet_and_a_burst_of_it_by_the_next_look() {
    let (port, shared, mut worker) = watched();
    let at = |now_ns| Context { shared: &shared, post: &shared.posts[0], now_ns };
    let phone = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    phone.connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    worker.carry_out(&at(0), 0, Order::Open { generation: 1, seed: 7 });
    let remote = remote_of(&phone);
    worker.carry_out(&at(0), 0, Order::SetRemote(remote));
    let mut ready = Vec::with_capacity(READY);
    let mut look = |now_ms: u64, packets: usize| {
        (0..packets).for_each(|_| assert_eq!(phone.send(&[0x80; 60]).unwrap(), 60));
        ready.clear();
        let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
        let _ = epoll::wait(&at(0).post.epoll, rustix::buffer::spare_capacity(&mut ready), Some(&at_once));
        worker.serve(&at(now_ms * 1_000_000), &ready)
    };
    // Once it is read until it is empty: from then on it holds packets of this peer alone.
    assert_eq!([look(20, 2), look(21, 0)], [2, 0]);
    // One packet in its time; of three at once the first at once, the others a look later; none is forgotten.
    assert_eq!([look(40, 1), look(60, 3), look(61, 0), look(62, 0)], [1, 1, 2, 0]);
    // As fast as video: all that is there.
    assert_eq!([look(63, 4), look(64, 5), look(65, 0)], [4, 5, 0]);
}

#[test]
fn what_was_ordered_before_a_packet_came_holds_for_it_though_the_worker_is_reading_already() {
    let (port, shared, mut worker) = watched();
    let context = Context { shared: &shared, post: &shared.posts[0], now_ns: 0 };
    let [phone, other] = [0, 0].map(|any| UdpSocket::bind((Ipv4Addr::LOCALHOST, any)).unwrap());
    phone.set_nonblocking(true).unwrap();
    worker.carry_out(&context, 0, Order::Open { generation: 1, seed: 7 });
    worker.carry_out(&context, 0, Order::SetRemote(remote_of(&phone)));
    // A turn that has obeyed, and whose sockets are read now.
    let mut read_one = |from: &UdpSocket, ordered: Option<Order>| {
        from.send_to(&[0x80; 60], (Ipv4Addr::LOCALHOST, port)).unwrap();
        ordered.map(|order| context.post.mailbox.leave(0, order));
        assert!(worker.read_one(&context, 0, Channel::Rtp));
        (phone.recv(&mut [0; 100]).is_ok(), shared.slot(0).counts.read(0))
    };
    assert!(!read_one(&phone, None).0);
    assert!(read_one(&phone, Some(Order::Work(Task::Echo))).0);
    // The port is connected to this phone: what comes needs no address. The order tells of another phone.
    let (echoed, figures) = read_one(&phone, Some(Order::SetRemote(remote_of(&other))));
    assert_eq!((echoed, figures.packets_in, figures.foreign), (false, 2, 1));
    // And it may end the use of the port.
    assert!(!read_one(&other, Some(Order::Close)).0);
    assert_eq!(context.post.counts.stray.load(Ordering::Relaxed), 1);
}

#[test]
fn a_slot_that_could_be_watched_in_part_can_be_watched_later() {
    let port = free_ports();
    let shared = Shared::new(config(port)).unwrap();
    let sockets = crate::sockets::Sockets::bind(Ipv4Addr::LOCALHOST.into(), port).unwrap();
    shared.slot(0).sockets.set(sockets).unwrap();
    let post = &shared.posts[0];
    let rtp = &shared.slot(0).sockets.get().unwrap().rtp;
    epoll::add(&post.epoll, rtp, epoll::EventData::new_u64(Channel::Rtp.token(0)), epoll::EventFlags::IN)
        .unwrap();
    assert_eq!(watch(post, &shared, 0), Ok(()));
    let phone = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    phone.send_to(&[0x80; 12], (Ipv4Addr::LOCALHOST, port + 1)).unwrap();
    let mut ready = Vec::with_capacity(READY);
    let _ = epoll::wait(&post.epoll, rustix::buffer::spare_capacity(&mut ready), None);
    assert_eq!(ready[0].data.u64(), Channel::Rtcp.token(0));
}

#[test]
fn a_peer_that_floods_with_events_leaves_room_for_those_of_others() {
    let shared = crate::shared::tests::shared();
    let at = |now_ns| Context { shared: &shared, post: &shared.posts[0], now_ns };
    let port = Port::new(0, 1, 7, &at(0));
    let told = |now_ns| {
        (0..1000).for_each(|_| port.tell(&at(now_ns), Event::Dtmf { key: '1', duration_ms: 80 }));
        shared.events.take().len()
    };
    assert_eq!(told(0), 64);
    assert_eq!(told(1_000_000_000), 50);
    port.tell(&at(1_000_000_000), Event::Active);
    assert_eq!(shared.events.take().len(), 1);
}
