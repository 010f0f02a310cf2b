//! Sound at another rate, appended to what waits.

use trunkline_dsp::Rates;

/// Converts samples and appends what comes of them.
pub fn append(rates: &mut Rates, samples: &[i16], out: &mut Vec<i16>) {
    let before = out.len();
    let most = samples.len() * rates.to_hz() as usize / rates.from_hz() as usize + 1;
    out.resize(before + most, 0);
    let given = rates.convert(samples, &mut out[before..]);
    out.truncate(before + given);
}
