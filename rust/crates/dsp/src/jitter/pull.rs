//! What the buffer tells who listens.

/// What is to be heard next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pull<'a> {
    /// Nothing was there yet, or it is not due: silence, until the next frame of 20 ms or less.
    Wait,
    /// Decode this.
    Packet {
        /// The packet.
        packet: Packet<'a>,
        /// How much longer (or, if negative, shorter) than the target it is delayed, in microseconds; 0 when that
        /// is near enough. Shorten the sound when it is positive, lengthen it when negative, where nobody hears it.
        surplus_us: i64,
    },
    /// A packet is lost: invent this much.
    Lost {
        /// In units of the RTP clock, 1 or more.
        ticks: u32,
        /// The packet right behind it, which may hold an echo of it (Opus); it comes again by itself.
        next: Option<Packet<'a>>,
    },
    /// The peer sent nothing on purpose (its timestamps say so): comfort noise, for at most so long.
    Pause {
        /// In units of the RTP clock, 1 or more.
        ticks: u32,
    },
    /// Nothing came: whether it is lost, late, or the peer is silent, time will tell. Invent this much.
    Dry {
        /// In units of the RTP clock, 1 or more.
        ticks: u32,
    },
}

/// What is in the buffer of one RTP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// 0..127.
    pub payload_type: u8,
    /// The marker bit: a talk spurt begins.
    pub marker: bool,
    /// As it came.
    pub timestamp: u32,
    /// 1 to [`MOST_OCTETS`](super::MOST_OCTETS) octets.
    pub payload: &'a [u8],
}

/// What became of the packets so far, and how long sound is held now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Packets that came in time, whether played yet or not.
    pub received: u64,
    /// Packets that never came.
    pub lost: u64,
    /// Packets that came when their time had passed.
    pub late: u64,
    /// Packets that came again.
    pub duplicates: u64,
    /// Packets thrown away: a backlog, a payload too long, a sequence number out of range.
    pub dropped: u64,
    /// Times that nothing was there.
    pub dry: u64,
    /// How much later than the fastest of late the last packet was played, in microseconds.
    pub delay_us: u64,
    /// How much later it should have been.
    pub target_us: u64,
}
