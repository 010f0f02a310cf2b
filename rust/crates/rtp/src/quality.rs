//! How well a stream is heard: the E-model of ITU-T G.107 with its defaults, simplified to what an exchange measures.

/// R without any impairment but those of the defaults (G.107 §7.7, table 3).
const BEST: f64 = 93.2;

/// What a codec costs (ITU-T G.113 appendix I).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Impairment {
    /// Equipment impairment without loss.
    pub equipment: f64,
    /// How well it bears loss: higher is better.
    pub robustness: f64,
    /// Packetisation and look-ahead, in milliseconds.
    pub delay_ms: f64,
}

/// By payload type (RFC 3551 §6) or, for dynamic ones, by the RTP clock: 48000 Hz is Opus.
#[must_use]
pub fn impairment(payload_type: u8, clock_hz: u32) -> Impairment {
    let (equipment, robustness, delay_ms) = match (payload_type, clock_hz) {
        (3, _) => (20.0, 10.0, 20.0),
        (4, _) => (15.0, 16.1, 37.5),
        (18, _) => (11.0, 19.0, 25.0),
        (2, _) => (7.0, 20.0, 20.0),
        // Wide band is better than the scale of the telephone band can say.
        (9, _) | (_, 16_000) => (0.0, 18.0, 21.5),
        (_, 48_000) => (0.0, 20.0, 26.5),
        // G.711 with the concealment of its appendix I, and what is not known.
        _ => (0.0, 25.1, 20.0),
    };
    Impairment { equipment, robustness, delay_ms }
}

/// What was measured of a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Path {
    /// Lost packets, 0 to 1.
    pub loss: f64,
    /// Interarrival jitter in milliseconds.
    pub jitter_ms: f64,
    /// Round trip in milliseconds; 0 if not measured.
    pub round_trip_ms: f64,
}

impl Path {
    /// Delay from mouth to ear: half the round trip, the codec, and a buffer of twice the jitter, 20 ms at least.
    fn delay_ms(&self, codec: Impairment) -> f64 {
        self.round_trip_ms / 2.0 + codec.delay_ms + (2.0 * self.jitter_ms).clamp(20.0, 200.0)
    }

    /// R of a conversation, 0 to 93.2.
    #[must_use]
    pub fn r_factor(&self, codec: Impairment) -> f64 {
        let delay_ms = self.delay_ms(codec);
        let late = (delay_ms - 177.3).max(0.0);
        (self.listening(codec) - 0.024 * delay_ms - 0.11 * late).clamp(0.0, BEST)
    }

    /// R of listening alone: without delay.
    #[must_use]
    pub fn listening(&self, codec: Impairment) -> f64 {
        let percent = 100.0 * self.loss.clamp(0.0, 1.0);
        // G.107 §7.7: losses at random, a burst ratio of 1.
        let lossy = (95.0 - codec.equipment) * percent / (percent + codec.robustness);
        (BEST - codec.equipment - lossy).clamp(0.0, BEST)
    }
}

/// The mean opinion score of an R, 1 to 4.5 (G.107 annex B).
#[must_use]
pub fn mos(r_factor: f64) -> f64 {
    let r = r_factor.clamp(0.0, 100.0);
    (1.0 + 0.035 * r + r * (r - 60.0) * (100.0 - r) * 7e-6).clamp(1.0, 4.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn score(payload_type: u8, loss: f64, jitter_ms: f64, round_trip_ms: f64) -> f64 {
        mos(Path { loss, jitter_ms, round_trip_ms }.r_factor(impairment(payload_type, 8000)))
    }

    /// G.107 table B.1.
    #[test]
    fn scores_are_those_of_the_standard() {
        for (r, expected) in
            [(93.2, 4.41), (90.0, 4.34), (80.0, 4.03), (70.0, 3.60), (60.0, 3.10), (50.0, 2.58)]
        {
            assert!((mos(r) - expected).abs() < 0.01, "{r}: {}", mos(r));
        }
        assert_eq!((mos(-5.0), mos(1000.0)), (1.0, 4.5));
    }

    #[test]
    fn what_is_worse_scores_less() {
        assert!(score(0, 0.0, 0.0, 0.0) > 4.35);
        assert!(score(18, 0.0, 0.0, 0.0) < 4.15);
        assert!((3.5..4.2).contains(&score(0, 0.03, 5.0, 40.0)));
        for worse in [score(0, 0.1, 0.0, 0.0), score(0, 0.0, 90.0, 0.0), score(0, 0.0, 0.0, 600.0)] {
            assert!(worse < score(0, 0.01, 1.0, 20.0), "{worse}");
        }
        assert!(score(0, 1.0, 500.0, 5000.0) < 1.1);
    }
}
